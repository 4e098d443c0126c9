"""Extended attributes: set, replaced, removed; shared where they are the same."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.xattrs import SET_MAX, SET_MAX_BYTES, VALUE_MAX_BYTES
from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.ledger import Ledger, chattr, mkdir, setxattr, symlink, write
from cairnfs.wire.commits import Operation


def planted(ledger: Ledger) -> Ledger:
    ledger.commit(mkdir("/d"), write("/d/f", b"x", mode=0o666), symlink("/s", "d/f"))
    ledger.commit(setxattr("/d/f", "user.a", b"1"))
    return ledger


def test_what_is_refused_changes_nothing(database: Database) -> None:
    ledger = planted(Ledger(database))
    bob = ledger.person("bob")
    large = b"x" * VALUE_MAX_BYTES
    refused: list[tuple[Operation, type[e.CairnError]]] = [
        (setxattr("/d/f", "user.b", large + b"x"), e.XattrTooLarge),
        (setxattr("/d/f", "user." + "b" * 251, b""), e.BadXattr),
        (setxattr("/d/f", "user.", b""), e.BadXattr),
        (setxattr("/d/f", "system.a", b""), e.BadXattr),
        (setxattr("/d/f", "a", b""), e.BadXattr),
        (setxattr("/d/f", b"user.\0", b""), e.BadXattr),
        (setxattr("/d/f", "trusted.a", b""), e.Forbidden),
        (setxattr("/d/f", "security.a", b""), e.Forbidden),
        (setxattr("/d/f", "user.a", b"", create=True), e.Exists),
        (setxattr("/d/f", "user.b", b"", replace=True), e.NoSuchXattr),
        (setxattr("/d/f", "user.b", None), e.NoSuchXattr),
        (setxattr("/d/f", "user.b", b"", create=True, replace=True), e.BadRequest),
        (setxattr("/d", "user.a", b""), e.Forbidden),
        (setxattr("/s", "user.a", b"", follow=False), e.BadXattr),
        (setxattr("/d/missing", "user.a", b""), e.NotFound),
        (chattr("/d/f", xattrs={b"user.%d" % n: large for n in range(3)}), e.XattrTooLarge),
    ]
    before, newest = ledger.everything(), ledger.newest()
    for operation, error in refused:
        with pytest.raises(error) as raised:
            ledger.commit(write("/d/f", b"first"), operation, person=bob)
        assert type(raised.value) is error, operation
        assert (ledger.everything(), ledger.newest()) == (before, newest), operation
    assert ledger.xattrs("/s", follow=True) == {b"user.a": b"1"}
    ledger.verify()


def test_a_set_grows_to_its_limits_and_no_further(ledger: Ledger) -> None:
    planted(ledger)
    half = b"x" * (SET_MAX_BYTES // 2 - 100)
    ledger.commit(setxattr("/d/f", "user.b", half), setxattr("/d/f", "user.c", half))
    with pytest.raises(e.XattrTooLarge):
        ledger.commit(setxattr("/d/f", "user.d", b"x" * 200))
    ledger.commit(chattr("/d/f", xattrs={b"user.%d" % n: b"" for n in range(SET_MAX)}))
    with pytest.raises(e.XattrTooLarge):
        ledger.commit(setxattr("/d/f", "user.d", b""))
    assert len(ledger.xattrs("/d/f")) == SET_MAX


def test_equal_sets_are_one_and_stay_as_long_as_somebody_names_them(ledger: Ledger) -> None:
    planted(ledger)
    before = ledger.newest()
    ledger.commit(*[write(f"/d/{n}", b"x") for n in range(5)])
    ledger.commit(*[setxattr(f"/d/{n}", "user.a", b"1") for n in range(5)])
    assert ledger.verify()["xattr_sets"] == 1
    ledger.commit(setxattr("/d/f", "user.a", None), setxattr("/d/f", "user.b", b"2"))
    ledger.commit(write("/d/f", b"other"))
    assert ledger.xattrs("/d/f") == {b"user.b": b"2"}
    assert ledger.xattrs("/d/f", at=before) == {b"user.a": b"1"}
    etag = ledger.stat("/d/f").etag
    ledger.commit(setxattr("/d/f", "user.b", b"2"))
    assert ledger.stat("/d/f").etag == etag


def test_what_is_not_ones_own_to_set_stays(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(setxattr("/d/f", "trusted.t", b"t"), setxattr("/d/f", "security.s", b"s"))
    ledger.commit(chattr("/d/f", xattrs={b"user.z": b"z"}), person=bob)
    assert ledger.xattrs("/d/f") == {b"user.z": b"z", b"trusted.t": b"t", b"security.s": b"s"}
    assert ledger.xattrs("/d/f", person=bob) == {b"user.z": b"z", b"security.s": b"s"}
