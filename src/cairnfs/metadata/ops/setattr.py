"""setattr: mode, owners, times, the whole set of extended attributes, a directory's policy.

What belongs here: the verb, and the same for what other verbs make (`settle`). Rules of who may are those
of `core/permissions`; a lenient setting leaves out what may not be, or is unknown here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from cairnfs.core import permissions as rules
from cairnfs.core import xattrs
from cairnfs.core.permissions import SET_GROUP, SET_USER, WRITE, Person
from cairnfs.errors import BadRequest, BadXattr, CairnError, Forbidden, NoSuchGroup, NoSuchUser
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.ops import expect, results
from cairnfs.metadata.ops.resolve import place, require, text, there
from cairnfs.metadata.ops.steps import SetattrStep, Settings
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, FILE, SYMLINK
from cairnfs.wire.commits import OperationResult


class _People(Protocol):
    """Who is called what."""

    def user(self, name: str) -> int | None:
        """The id of the user of this name."""
        ...

    def user_group(self, name: str) -> int | None:
        """The id of the user group of this name."""
        ...


class _XattrSets(Protocol):
    """Sets of extended attributes by their names."""

    def get(self, name: bytes) -> dict[bytes, bytes]:
        """The attributes of a set, whose name may be empty."""
        ...

    def offer(self, xattrs: xattrs.Xattrs) -> bytes:
        """The name of a set that a version may name from now on. Raises XattrTooLarge."""
        ...


class Known(Protocol):
    """What settings are read by: a `State`, or what was looked up of one beforehand."""

    @property
    def people(self) -> _People:
        """Users and user groups."""
        ...

    @property
    def xattrs(self) -> _XattrSets:
        """Sets of extended attributes."""
        ...


def set_attributes(state: State, person: Person, stamp: Stamp, step: SetattrStep) -> OperationResult:
    """Raises NotFound, Forbidden, NoSuchUser, NoSuchGroup, BadXattr, and what expectations raise."""
    at = place(state.tree.view, person, step.path, follow=step.follow)
    expect.hold(step.expected, state.tree.view, at, stamp)
    dentry = None if at.is_root else there(at)
    change(state, person, stamp, dentry, step.attributes, path=step.path, policy=step.policy)
    return results.of(state, _inode(dentry), stamp)


def change(
    state: State,
    person: Person,
    stamp: Stamp,
    dentry: Dentry | None,
    settings: Settings,
    *,
    path: Path,
    policy: str | None = None,
) -> None:
    """Set attributes of what was there before; None stands for the root."""
    version = state.tree.view.version(_inode(dentry))
    kind = DIRECTORY if dentry is None else dentry.kind
    changed = settled(state, person, stamp, kind, version, settings, path=path)
    if policy is not None:
        if kind != DIRECTORY:
            raise BadRequest("only a directory has a policy", path=text(path))
        _require_owner(person, version, path)
        changed = replace(changed, policy=policy)
    if changed != version:
        renew(state, stamp, dentry, changed)


def renew(state: State, stamp: Stamp, dentry: Dentry | None, version: Version) -> None:
    """Give what a name leads to a version with the same content and other attributes."""
    kind = DIRECTORY if dentry is None else dentry.kind
    manifest = state.content.manifest(state.tree, version.inode) if kind == FILE else b""
    version = replace(version, born=stamp.number)
    state.tree.change(kind, version, manifest, stamp)
    state.tree.note(dentry, version, content=False)


def settle(
    state: State, person: Person, stamp: Stamp, kind: str, version: Version, settings: Settings, *, path: Path
) -> None:
    """Set attributes of an inode whose version this commit has made."""
    changed = settled(state, person, stamp, kind, version, settings, path=path, new=True)
    if changed != version:
        state.tree.amend(changed)


def settled(
    known: Known,
    person: Person,
    stamp: Stamp,
    kind: str,
    version: Version,
    settings: Settings,
    *,
    path: Path,
    new: bool = False,
) -> Version:
    """The version with these settings; `new`: this commit has made it.

    Owners come before the mode, which a change of owners may narrow. Raises Forbidden, NoSuchUser,
    NoSuchGroup, BadXattr, XattrTooLarge.
    """

    def attempt(step: Callable[[Version], Version], version: Version) -> Version:
        try:
            return step(version)
        except (Forbidden, NoSuchUser, NoSuchGroup, BadXattr) as error:
            if settings.lenient:
                return version
            raise _at(error, path) from None

    if settings.xattrs is not None:
        wanted = settings.xattrs
        version = attempt(
            lambda now: _with_xattrs(known, person, kind, now, wanted, settings.lenient, path=path, new=new),
            version,
        )
    if settings.owner is not None:
        name = settings.owner
        version = attempt(lambda now: _owned(person, now, kind, _user(known, name), now.owner_group), version)
    if settings.group is not None:
        called = settings.group
        version = attempt(lambda now: _owned(person, now, kind, now.owner, _group(known, called)), version)
    if settings.mode is not None:
        mode = settings.mode
        if kind == FILE and settings.lenient:
            # Where it could not be given to whom it was of, it must not run as somebody else.
            mode &= ~_not_given(known, settings, version)
        elif kind == DIRECTORY and settings.lenient:
            # Where it is of the group of those around it, so is what comes into it.
            mode |= version.mode & _not_given(known, settings, version) & SET_GROUP
        version = attempt(lambda now: _with_mode(person, now, kind, mode, path), version)
    if settings.mtime is not None or settings.mtime_now:
        version = attempt(lambda now: _with_mtime(person, now, settings, stamp, path, new=new), version)
    return version


def _not_given(known: Known, settings: Settings, version: Version) -> int:
    """The bits that say as whom a file runs, of an owner or user group that was asked for and not taken."""
    bits = 0
    if settings.owner is not None and known.people.user(settings.owner) != version.owner:
        bits |= SET_USER
    if settings.group is not None and known.people.user_group(settings.group) != version.owner_group:
        bits |= SET_GROUP
    return bits


def _owned(person: Person, version: Version, kind: str, owner: int, group: int) -> Version:
    if (owner, group) == (version.owner, version.owner_group):
        return version
    if not rules.may_give(person, version.owner, owner, group, version.owner_group):
        raise Forbidden("only administrators give things away; an owner, to a user group of theirs")
    mode = rules.mode_after_chown(version.mode, directory=kind == DIRECTORY)
    return replace(version, owner=owner, owner_group=group, mode=mode)


def _with_mode(person: Person, version: Version, kind: str, mode: int, path: Path) -> Version:
    _require_owner(person, version, path)
    if kind == SYMLINK:
        return version  # which has one mode for good
    mode = rules.mode_after_chmod(person, version.owner_group, mode, directory=kind == DIRECTORY)
    return replace(version, mode=mode)


def _with_mtime(
    person: Person, version: Version, settings: Settings, stamp: Stamp, path: Path, *, new: bool
) -> Version:
    if settings.mtime is None:
        if not new and not rules.may_change(person, version.owner):
            require(person, version, WRITE, path)
        return replace(version, mtime_us=stamp.at_us, mtime_sub_ns=0, mtime_set=stamp.number)
    if not new:
        _require_owner(person, version, path)
    us, sub_ns = settings.mtime
    return replace(version, mtime_us=us, mtime_sub_ns=sub_ns, mtime_set=stamp.number)


def _with_xattrs(
    known: Known,
    person: Person,
    kind: str,
    version: Version,
    wanted: dict[bytes, bytes],
    lenient: bool,
    *,
    path: Path,
    new: bool,
) -> Version:
    """The version with these attributes. What the person may not set stays as it is."""
    if not new:
        require(person, version, WRITE, path)
    present = known.xattrs.get(version.xattrs)
    kept = {name: value for name, value in present.items() if not _settable(person, name)}
    for name, value in wanted.items():
        if kind == SYMLINK and name.startswith(xattrs.USER):
            error: CairnError = BadXattr("a symlink has no user. attributes")
        elif not _settable(person, name):
            error = Forbidden("only administrators set trusted. and security. attributes")
        else:
            kept[name] = value
            continue
        if not lenient:
            raise error
    return replace(version, xattrs=known.xattrs.offer(kept))


def _settable(person: Person, name: bytes) -> bool:
    return name.startswith(xattrs.USER) or person.role == "admin"


def _require_owner(person: Person, version: Version, path: Path) -> None:
    if not rules.may_change(person, version.owner):
        raise Forbidden("only its owner and administrators may do this", path=text(path))


def _user(known: Known, name: str) -> int:
    found = known.people.user(name)
    if found is None:
        raise NoSuchUser(f"no user is called {name}")
    return found


def _group(known: Known, name: str) -> int:
    found = known.people.user_group(name)
    if found is None:
        raise NoSuchGroup(f"no user group is called {name}")
    return found


def _inode(dentry: Dentry | None) -> InodeId:
    return ROOT if dentry is None else dentry.inode


def _at(error: CairnError, path: Path) -> CairnError:
    if error.path is None:
        error.path = text(path)
    return error
