"""What a difference means: each finding by its stable name, and none where nothing is wrong."""

from __future__ import annotations

from cairnfs.control.cluster.inventories import Held, Listed, Page
from cairnfs.control.cluster.judging import FINDINGS_MAX, Group, Judgement
from cairnfs.ids import BootId, FileserverId, GroupId, Hash

ONE, TWO, THREE = FileserverId(1), FileserverId(2), FileserverId(3)
CHUNK = Listed(Hash(b"\1" * 32), 10, 2)
GROUP = GroupId((1 << 2) | 0)


def judgement(*, dirty: bool = False) -> Judgement:
    return Judgement({GROUP: Group((ONE, TWO, THREE), dirty)})


def held(*good: Listed, corrupt: tuple[bytes, ...] = (), size: int | None = None) -> Held:
    sizes: dict[bytes, int] = {one.hash: one.size if size is None else size for one in good}
    return Held(frozenset({BootId("b")}), sizes, frozenset(corrupt))


def found(judged: Judgement) -> list[str]:
    return [finding.invariant for finding in judged.findings]


def test_a_chunk_that_every_member_holds_is_well() -> None:
    judged = judgement()
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(CHUNK), THREE: held(CHUNK)}))
    assert found(judged) == []
    assert (judged.chunks, judged.bytes, judged.copies, judged.copies_missing) == (1, 10, 3, 0)


def test_chunks_that_no_version_names_are_nobodys_fault() -> None:
    other = Listed(Hash(b"\1" * 31 + b"\2"), 5, 2)
    judged = judgement()
    judged.take(Page([], {ONE: held(other), TWO: held(), THREE: held()}))
    assert found(judged) == []
    assert judged.chunks == 0


def test_a_copy_missing_in_a_dirty_group_is_counted_but_expected() -> None:
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(CHUNK), THREE: held()}))
    assert found(judged) == []
    assert (judged.copies, judged.copies_missing, judged.reply().groups_dirty) == (2, 1, 1)


def test_a_copy_missing_in_a_clean_group_is_a_lie_at_the_second_look() -> None:
    judged = judgement()
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(CHUNK), THREE: held()}))
    assert found(judged) == []
    (miss,) = judged.misses
    judged.confirm(miss)
    assert found(judged) == ["clean_group_misses"]
    assert "member 3" in judged.findings[0].detail
    assert judged.doubtful == {GROUP}


def test_fewer_copies_than_promised() -> None:
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(), THREE: held()}))
    assert found(judged) == ["too_few_copies"]


def test_a_chunk_that_nobody_has_is_lost_only_if_everybody_was_asked() -> None:
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(), TWO: held(), THREE: held()}))
    assert found(judged) == ["chunk_lost"]
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(), TWO: held()}, {THREE: "no answer"}))
    assert found(judged) == ["unreachable", "chunk_unavailable"]


def test_the_copies_of_a_silent_member_are_not_missing_and_it_is_named_once() -> None:
    judged = judgement()
    for _ in range(3):
        judged.take(Page([CHUNK], {ONE: held(CHUNK)}, {TWO: "no answer", THREE: "no answer"}))
    assert found(judged) == ["unreachable", "unreachable"]
    assert judged.copies_missing == 0


def test_a_corrupt_copy_is_no_copy() -> None:
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(CHUNK), THREE: held(corrupt=(CHUNK.hash,))}))
    assert found(judged) == ["chunk_corrupt"]
    assert judged.copies == 2


def test_a_copy_of_the_wrong_size_is_no_copy() -> None:
    judged = judgement(dirty=True)
    judged.take(Page([CHUNK], {ONE: held(CHUNK), TWO: held(CHUNK), THREE: held(CHUNK, size=9)}))
    assert found(judged) == ["chunk_wrong_size"]
    assert judged.copies == 2


def test_a_former_member_is_no_member() -> None:
    judged = judgement(dirty=True)
    stranger = FileserverId(9)
    judged.take(Page([CHUNK], {ONE: held(), TWO: held(), THREE: held(), stranger: held(CHUNK)}))
    assert found(judged) == ["chunk_lost"]


def test_findings_are_limited() -> None:
    judged = judgement(dirty=True)
    for _ in range(FINDINGS_MAX + 10):
        judged.take(Page([CHUNK], {ONE: held(), TWO: held(), THREE: held()}))
    assert len(judged.findings) == FINDINGS_MAX
    assert judged.chunks == FINDINGS_MAX + 10
