"""Books of lock histories: what is read is what was written, by several processes, in the order of time."""

from __future__ import annotations

from pathlib import Path

from cairnfs.testing.lock_history import Change, Gave_up, LockBook, Sent, read_books


def test_books_are_read_as_they_were_written(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    one, two = (LockBook(file, file.name) for file in files)
    one.asked("a", owner="s/1", things=["x"], mode="shared")
    two.asked("b", owner="t/1", things=["x"])
    one.granted("a", lock=1, fence=2)
    one.granted("a", lock=1, fence=3, mode="exclusive")
    one.sent("a", "a.1", {"x": Change(0, 1)})
    one.committed("a.1", 7)
    one.releasing("a")
    two.gave_up("b", TimeoutError("it took too long"))
    two.refused("b.1", "LockLost", "server")
    two.lost("b", "LockLost", "client")
    two.befell("one", "killed")
    two.seen(1, "s")
    one.close()
    two.close()
    with files[1].open("ab") as cut:
        cut.write(b'{"what":"seen","at_s":')
    events = read_books(files)
    assert [type(event).__name__.lower() for event in events] == [
        "asked", "asked", "granted", "granted", "sent", "committed", "releasing", "gave_up", "refused",
        "lost", "befell", "seen",
    ]  # fmt: skip
    assert [event.process for event in events[:3]] == ["one", "two", "one"]
    assert isinstance(events[4], Sent)
    assert events[4].changes == {"x": Change(0, 1)}
    gave_up = events[7]
    assert isinstance(gave_up, Gave_up)
    assert gave_up.error == "TimeoutError: it took too long"
