"""The table of permissions (`permissions.txt`) and the cases that prove it, for every door alike.

    for case in cases(): ...        who asks for what, with which modes, and the answer that is due
    world(case)                     operations by which an administrator makes what the case is about

What belongs here: reading the table, cases, the tree of a case, the verbs as operations of a commit. What
does not: asking (each door's own test). Nothing here uses Cairn's own rules: a table that is computed from
what it judges finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import NamedTuple

from cairnfs.core.manifest import HOLE
from cairnfs.wire.commits import (
    Attributes,
    Copy,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    Rename,
    SetAttributes,
    SetXattr,
    Unchanged,
    Write,
    Xattr,
)
from cairnfs.wire.directory import ChunkRef

TABLE = Path(__file__).with_name("permissions.txt")
FORBIDDEN, UNAUTHENTICATED = "forbidden", "unauthenticated"
OWNER, MEMBER, OTHER, ADMIN = "ann", "bob", "carl", "admin"
FILESERVER = "fileserver:1"
SHUT_OUT = ("dora", "emil", "nobody")  # disabled, removed, and one who never was
KEEPER, USER_GROUP, OTHER_GROUP, FOREIGN_GROUP = "keeper", "crew", "club", "guild"
#: Who is in which user group: all may give something to one of theirs.
MEMBERS = {
    USER_GROUP: (OWNER, MEMBER, KEEPER), OTHER_GROUP: (OWNER, MEMBER, OTHER), FOREIGN_GROUP: (KEEPER,)
}  # fmt: skip
TOP = "/cases"
_SHIFT = {OWNER: 6, MEMBER: 3, OTHER: 0, FILESERVER: 0}
_BITS = {"r": 4, "w": 2, "x": 1, "-": 0}


class Row(NamedTuple):
    """One verb: the bits that it asks of the directory above, the directory and the thing."""

    verb: str
    needs: tuple[int, int, int]
    spares_owner: bool  # the thing's bits are asked of others only
    who: str

    def needs_of(self, who: str) -> tuple[int, int, int]:
        """What it asks of this person."""
        above, directory, thing = self.needs
        return (above, directory, 0 if self.spares_owner and who == OWNER else thing)


class Case(NamedTuple):
    """`modes`: of the directory above, the directory, the thing. `due`: an error's code, or nothing."""

    number: int
    verb: str
    who: str
    modes: tuple[int, int, int]
    due: str

    @property
    def path(self) -> str:
        """Below which all of the case is."""
        return f"{TOP}/{self.number}"

    def __str__(self) -> str:
        modes = " ".join(f"{mode:03o}" for mode in self.modes)
        return f"{self.verb} by {self.who}, modes {modes}: {self.due or 'allowed'} is due"


def rows(text: str | None = None) -> list[Row]:
    """The table's rows."""
    found = []
    for line in (text or TABLE.read_text()).splitlines():
        if line.strip() and not line.startswith("#"):
            verb, above, directory, thing, who = line.split()
            assert who in ("anyone", "owner", "admin"), line
            needs = (_bits(above), _bits(directory), _bits(thing.strip("()")))
            found.append(Row(verb, needs, thing.startswith("("), who))
    return found


def _bits(text: str) -> int:
    assert len(text) == 3, text
    return sum(_BITS[letter] for letter in text)


def cases(verbs: Iterable[str] | None = None, people: Sequence[str] | None = None) -> list[Case]:
    """All cases, or those of these verbs and people."""
    wanted = None if verbs is None else set(verbs)
    verbs_of = groupby(rows(), key=lambda row: row.verb)
    found = [one for verb, some in verbs_of if wanted is None or verb in wanted for one in _of(list(some))]
    kept = [one for one in found if people is None or one[1] in people]
    return [Case(number, *one) for number, one in enumerate(kept)]


_Proto = tuple[str, str, tuple[int, int, int], str]


def _of(ways: Sequence[Row]) -> Iterator[_Proto]:
    """The cases of a verb, given its rows: each way opens it, and without a bit of each it is closed."""
    verb = ways[0].verb
    for who, shift in _SHIFT.items():
        open_ways = [
            row.needs_of(who) for row in ways if row.who == "anyone" or (row.who, who) == ("owner", OWNER)
        ]
        for above, directory, thing in open_ways:
            yield verb, who, (above << shift, directory << shift, thing << shift), ""
        for missing in dict.fromkeys(frozenset(one) for one in product(*map(_each_bit, open_ways))):
            modes = [0o777, 0o777, 0o777]
            for place, bit in missing:
                modes[place] &= ~(bit << shift)
            yield verb, who, (modes[0], modes[1], modes[2]), FORBIDDEN
    yield verb, ADMIN, (0, 0, 0), ""
    for who in SHUT_OUT:
        yield verb, who, (0o777, 0o777, 0o777), UNAUTHENTICATED


def _each_bit(needs: tuple[int, int, int]) -> list[tuple[int, int]]:
    return [(place, bit) for place, bits in enumerate(needs) for bit in (4, 2, 1) if bits & bit]


def world(case: Case) -> list[Operation]:
    """What an administrator does to make a case's tree; `TOP` is there."""
    above, directory, thing = case.modes
    base, inside = case.path, f"{case.path}/a/d"
    crew, keeper = _owned(above), _owned(0o777, KEEPER)
    return [
        MakeDirectory(path=base, attributes=_owned(0o755, KEEPER)),
        MakeDirectory(path=f"{base}/o", attributes=keeper),
        _write(f"{base}/o/g", attributes=_owned(0o666, KEEPER)),
        MakeDirectory(path=f"{base}/o/p", attributes=keeper),
        MakeDirectory(path=f"{base}/a", attributes=crew),
        MakeDirectory(path=inside, attributes=_owned(directory)),
        _write(f"{inside}/f", attributes=_owned(thing, xattrs=_XATTRS)),
        _write(f"{inside}/h", attributes=_owned(0o666, KEEPER)),
        MakeDirectory(path=f"{inside}/e", attributes=_owned(thing)),
        MakeDirectory(path=f"{inside}/t", attributes=_owned(thing)),
        _write(f"{inside}/t/k", attributes=_owned(0)),
        MakeSymlink(path=f"{inside}/s", target="f", attributes=_owned(None)),
    ]


_XATTRS = [Xattr(name="user.x", value=b"x"), Xattr(name="trusted.x", value=b"secret")]


def _owned(mode: int | None, owner: str = OWNER, xattrs: list[Xattr] | None = None) -> Attributes:
    return Attributes(mode=mode, owner=owner, group=USER_GROUP, xattrs=xattrs)


def _write(
    path: str,
    size: int = 4,
    attributes: Attributes | None = None,
    *,
    parents: bool = False,
    follow: bool = True,
) -> Write:
    """A file of a hole: no fileserver has to be asked for it."""
    chunks = [ChunkRef(HOLE, size)]
    return Write(path=path, chunks=chunks, size=size, attributes=attributes, parents=parents, follow=follow)


def set_xattr(path: str, name: str, value: bytes | None) -> SetXattr:
    """One attribute set, or removed."""
    return SetXattr(path=path, name=name, value=value)


def setattr_(path: str, *, follow: bool = True, **attributes: object) -> SetAttributes:
    """Attributes set."""
    return SetAttributes(path=path, attributes=Attributes(**attributes), follow=follow)  # type: ignore[arg-type]


def _named(who: str) -> str:
    """The person as an owner: no fileserver can be one."""
    return KEEPER if who == FILESERVER else who


#: Each changing verb, given the case's path, the person's name and a commit of before everything was closed.
CHANGES: dict[str, Callable[[str, str, str], Operation]] = {
    "write": lambda c, _, __: _write(f"{c}/a/d/f", 5),
    "write-behind-symlink": lambda c, _, __: _write(f"{c}/a/d/s", 5),
    "write-in-place-of-symlink": lambda c, _, __: _write(f"{c}/a/d/s", 5, follow=False),
    "write-new": lambda c, _, __: _write(f"{c}/a/d/n"),
    "write-new-below": lambda c, _, __: _write(f"{c}/a/d/e/n"),
    "write-with-parents": lambda c, _, __: _write(f"{c}/a/d/n/n/n", parents=True),
    "mkdir": lambda c, _, __: MakeDirectory(path=f"{c}/a/d/n"),
    "mkdir-parents": lambda c, _, __: MakeDirectory(path=f"{c}/a/d/n/n", parents=True),
    "mkdir-parents-present": lambda c, _, __: MakeDirectory(path=f"{c}/a/d/e", parents=True),
    "symlink": lambda c, _, __: MakeSymlink(path=f"{c}/a/d/n", target="/nowhere"),
    "symlink-over": lambda c, _, __: MakeSymlink(path=f"{c}/a/d/h", target="/nowhere", replace=True),
    "unchanged": lambda c, _, at: Unchanged(path=f"{c}/a/d", since=int(at)),
    "unchanged-names": lambda c, _, at: Unchanged(path=f"{c}/a/d", since=int(at), scope="names"),
    "unchanged-below": lambda c, _, at: Unchanged(path=f"{c}/a/d/t", since=int(at)),
    "unchanged-nothing": lambda c, _, at: Unchanged(path=f"{c}/a/d/n", since=int(at)),
    "link": lambda c, _, __: Link(path=f"{c}/a/d/f", target=f"{c}/a/d/n"),
    "link-out": lambda c, _, __: Link(path=f"{c}/a/d/f", target=f"{c}/o/n"),
    "link-in": lambda c, _, __: Link(path=f"{c}/o/g", target=f"{c}/a/d/n"),
    "link-over": lambda c, _, __: Link(path=f"{c}/o/g", target=f"{c}/a/d/f", replace=True),
    "link-symlink": lambda c, _, __: Link(path=f"{c}/a/d/s", target=f"{c}/a/d/n"),
    "remove": lambda c, _, __: Remove(path=f"{c}/a/d/f"),
    "remove-symlink": lambda c, _, __: Remove(path=f"{c}/a/d/s"),
    "remove-directory": lambda c, _, __: Remove(path=f"{c}/a/d/e"),
    "remove-recursively": lambda c, _, __: Remove(path=f"{c}/a/d/t", recursive=True),
    "remove-recursively-empty": lambda c, _, __: Remove(path=f"{c}/a/d/e", recursive=True),
    "rename": lambda c, _, __: Rename(path=f"{c}/a/d/f", target=f"{c}/a/d/n"),
    "rename-over": lambda c, _, __: Rename(path=f"{c}/a/d/f", target=f"{c}/a/d/h"),
    "rename-out": lambda c, _, __: Rename(path=f"{c}/a/d/f", target=f"{c}/o/n"),
    "rename-in": lambda c, _, __: Rename(path=f"{c}/o/g", target=f"{c}/a/d/n"),
    "rename-in-over": lambda c, _, __: Rename(path=f"{c}/o/g", target=f"{c}/a/d/f"),
    "rename-directory": lambda c, _, __: Rename(path=f"{c}/a/d/e", target=f"{c}/a/d/n"),
    "rename-directory-out": lambda c, _, __: Rename(path=f"{c}/a/d/e", target=f"{c}/o/n"),
    "rename-directory-over": lambda c, _, __: Rename(path=f"{c}/o/p", target=f"{c}/a/d/e"),
    "chmod": lambda c, _, __: setattr_(f"{c}/a/d/f", mode=0o123),
    "chmod-directory": lambda c, _, __: setattr_(f"{c}/a/d", mode=0o123),
    "chown": lambda c, _, __: setattr_(f"{c}/a/d/f", owner=KEEPER),
    "chown-to-themselves": lambda c, who, __: setattr_(
        f"{c}/a/d/f", owner=_named(who), mtime_now=who == OWNER
    ),
    "chgrp-to-own-group": lambda c, who, __: setattr_(f"{c}/a/d/f", group=_named(who)),
    "chgrp-to-group-of-theirs": lambda c, _, __: setattr_(f"{c}/a/d/f", group=OTHER_GROUP),
    "chgrp-to-foreign-group": lambda c, _, __: setattr_(f"{c}/a/d/f", group=FOREIGN_GROUP),
    "chgrp-to-foreign-user": lambda c, _, __: setattr_(f"{c}/a/d/f", group=KEEPER),
    "touch": lambda c, _, __: setattr_(f"{c}/a/d/f", mtime_now=True),
    "set-mtime": lambda c, _, __: setattr_(f"{c}/a/d/f", mtime_us=1),
    "set-xattr": lambda c, _, __: set_xattr(f"{c}/a/d/f", "user.y", b"y"),
    "set-xattr-same": lambda c, _, __: set_xattr(f"{c}/a/d/f", "user.x", b"x"),
    "remove-xattr": lambda c, _, __: set_xattr(f"{c}/a/d/f", "user.x", None),
    "set-all-xattrs": lambda c, _, __: setattr_(f"{c}/a/d/f", xattrs=[Xattr(name="user.z", value=b"z")]),
    "set-trusted-xattr": lambda c, _, __: set_xattr(f"{c}/a/d/f", "trusted.y", b"y"),
    "set-security-xattr": lambda c, _, __: set_xattr(f"{c}/a/d/f", "security.y", b"y"),
    "remove-trusted-xattr": lambda c, _, __: set_xattr(f"{c}/a/d/f", "trusted.x", None),
    "set-policy": lambda c, _, __: SetAttributes(path=f"{c}/a/d", policy="all"),
    "set-policy-below": lambda c, _, __: SetAttributes(path=f"{c}/a/d/e", policy="all"),
    "copy-from": lambda c, _, __: Copy(path=f"{c}/a/d/f", target=f"{c}/o/n"),
    "copy-from-preserving": lambda c, _, __: Copy(path=f"{c}/a/d/f", target=f"{c}/o/n", preserve=True),
    "copy-from-the-past": lambda c, _, at: Copy(path=f"{c}/a/d/f", target=f"{c}/o/n", at=at),
    "copy-symlink-from": lambda c, _, __: Copy(path=f"{c}/a/d/s", target=f"{c}/o/n", follow=False),
    "copy-to": lambda c, _, __: Copy(path=f"{c}/o/g", target=f"{c}/a/d/n"),
    "copy-onto": lambda c, _, __: Copy(path=f"{c}/o/g", target=f"{c}/a/d/f"),
    "copy-onto-behind-symlink": lambda c, _, __: Copy(path=f"{c}/o/g", target=f"{c}/a/d/s"),
}


def told(differences: Sequence[tuple[Case, str]]) -> str:
    """What differs, for people: each once, and no more than fit on a screen."""
    lines = [f"{case} -- but it was {answer or 'allowed'}" for case, answer in differences]
    rest = len(lines) - 40
    return "\n".join(lines[:40]) + (f"\nand {rest} more" if rest > 0 else "")
