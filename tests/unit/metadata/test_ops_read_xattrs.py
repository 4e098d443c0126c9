"""read_xattrs: many paths at once, who is told what, at any commit, in replies of bounded size."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.ops.read_xattrs import read_xattrs
from cairnfs.testing.ledger import Ledger, mkdir, write
from cairnfs.wire import names
from cairnfs.wire.commits import Attributes, MakeSymlink, SetAttributes, SetXattr, Xattr
from cairnfs.wire.directory import PathText, XattrsReply, XattrsRequest


def read(ledger: Ledger, *paths: bytes, person: Person | None = None, **rest: Any) -> XattrsReply:
    request = XattrsRequest(paths=[PathText.of(one) for one in paths], **rest)
    return ledger.read(lambda tx: read_xattrs(tx, person or ledger.admin, request))


def told(reply: XattrsReply) -> list[dict[bytes, bytes] | str]:
    return [
        one.error.code if one.error else {each.raw_name(): each.value for each in one.xattrs or []}
        for one in reply.results
    ]


def xattr(path: str, name: bytes, value: bytes | None) -> SetXattr:
    text, base64 = names.to_text(name)
    return SetXattr(path=path, name=text, name_b64=base64, value=value)


def test_each_path_has_its_attributes_or_its_error(ledger: Ledger) -> None:
    ledger.commit(
        mkdir("/d"), write("/d/f", b"x"), write("/d/bare", b"x"), MakeSymlink(path="/link", target="d/f")
    )
    first = ledger.commit(xattr("/d/f", b"user.a", b"\0\xff"), xattr("/d", b"user.\xff", b""))
    ledger.commit(xattr("/d/f", b"user.a", None), xattr("/d/f", b"user.b", b"new"))
    asked = (b"/d/f", b"/missing", b"/d", b"/d/bare", b"/link", b"/")
    assert told(read(ledger, *asked)) == [
        {b"user.b": b"new"}, "not_found", {b"user.\xff": b""}, {}, {b"user.b": b"new"}, {}
    ]  # fmt: skip
    then = read(ledger, *asked, at=str(first.commit), follow=False)
    assert then.commit == first.commit
    assert told(then) == [{b"user.a": b"\0\xff"}, "not_found", {b"user.\xff": b""}, {}, {}, {}]


def test_who_may_read_is_told_but_not_of_trusted_ones(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    names = ("user.a", "trusted.b", "security.c")
    xattrs = [Xattr(name=name, value=b"1") for name in names]
    for path, mode in (("/open", 0o644), ("/closed", 0o600)):
        ledger.commit(
            write(path, b"x"), SetAttributes(path=path, attributes=Attributes(mode=mode, xattrs=xattrs))
        )
    everything = {name.encode(): b"1" for name in names}
    seen = {name: value for name, value in everything.items() if name != b"trusted.b"}
    assert told(read(ledger, b"/open", b"/closed")) == [everything, everything]
    assert told(read(ledger, b"/open", b"/closed", person=ann)) == [seen, "forbidden"]


def test_a_reply_holds_what_it_can_and_one_path_at_least(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnfs.metadata.ops.read_xattrs.XATTRS_REPLY_BYTES", 2500)
    for number in range(4):
        ledger.commit(write(f"/{number}", b"x"), xattr(f"/{number}", b"user.a", bytes([number]) * 1000))
    ledger.commit(xattr("/3", b"user.large", bytes(3000)))
    paths = [b"/%d" % number for number in range(4)]
    assert len(read(ledger, *paths).results) == 2
    assert len(read(ledger, *paths[2:]).results) == 1
    assert len(read(ledger, *paths[3:]).results) == 1


def test_a_request_names_1_to_1000_paths(ledger: Ledger) -> None:
    with pytest.raises(e.BadRequest):
        read(ledger)
    with pytest.raises(e.TooManyOperations):
        read(ledger, *[b"/"] * 1001)
