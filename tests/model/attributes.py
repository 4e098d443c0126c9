"""What the model says of modes, owners, times and extended attributes: who may, and what is left then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cairnfs import errors as e
from cairnfs.wire.commits import Attributes, SetXattr
from tests.model.nodes import SET_GROUP, SET_USER, WRITE, Node, Now, Refused, Time, Who, allowed, require

#: Everybody there is; the machine makes them so.
USERS = ("admin", "ann", "bob")
GROUPS = (*USERS, "staff")


def changed(who: Who, node: Node, given: Attributes, number: int, *, new: bool = False) -> Node:
    """The node with these attributes. Raises Refused, unless `given` is lenient."""

    def attempt(step: Callable[[Node], Node], now: Node) -> Node:
        try:
            return step(now)
        except Refused:
            if given.lenient:
                return now
            raise

    if given.xattrs is not None:
        wanted = {one.raw_name(): one.value for one in given.xattrs}
        node = attempt(lambda now: _with_xattrs(who, now, wanted, given.lenient, new=new), node)
    if given.owner is not None:
        owner = given.owner
        node = attempt(lambda now: _owned(who, now, owner, now.group), node)
    if given.group is not None:
        group = given.group
        node = attempt(lambda now: _owned(who, now, now.owner, group), node)
    if given.mode is not None:
        mode = given.mode
        if given.lenient and node.kind == "file":
            mode &= ~SET_USER if given.owner not in (None, node.owner) else -1
            mode &= ~SET_GROUP if given.group not in (None, node.group) else -1
        elif given.lenient and node.is_directory and given.group not in (None, node.group):
            mode |= node.mode & SET_GROUP
        node = attempt(lambda now: _with_mode(who, now, mode), node)
    if given.mtime_us is not None:
        time = given.mtime_us, given.mtime_sub_ns
        node = attempt(lambda now: _with_mtime(who, now, time, number, new=new), node)
    elif given.mtime_now:
        node = attempt(lambda now: _with_mtime(who, now, Now(number), number, new=new), node)
    return node


def preserved(who: Who, node: Node, source: Node, number: int) -> Node:
    """A copy that keeps what it may of its source."""
    given = Attributes(mode=source.mode, owner=source.owner, group=source.group, lenient=True)
    node = changed(who, node, given, number, new=True)
    node = replace(node, mtime=source.mtime, mtime_set=number)
    return _with_xattrs(who, node, dict(source.xattrs), True, new=True)


def with_one(who: Who, node: Node, operation: SetXattr) -> Node:
    """The node with one attribute set or removed."""
    name = operation.name.encode()
    if node.kind == "symlink" and name.startswith(b"user."):
        raise Refused(e.BadXattr)
    if not _settable(who, name):
        raise Refused(e.Forbidden)
    require(who, node, WRITE)
    if name in node.xattrs and operation.create:
        raise Refused(e.Exists)
    if name not in node.xattrs and (operation.replace or operation.value is None):
        raise Refused(e.NoSuchXattr)
    after = {**node.xattrs, name: operation.value}
    kept = {key: value for key, value in after.items() if value is not None}
    return replace(node, xattrs=kept)


def require_owner(who: Who, node: Node) -> None:
    if who.name != node.owner and not who.is_admin:
        raise Refused(e.Forbidden)


def _owned(who: Who, node: Node, owner: str, group: str) -> Node:
    if owner not in USERS:
        raise Refused(e.NoSuchUser)
    if group not in GROUPS:
        raise Refused(e.NoSuchGroup)
    if (owner, group) == (node.owner, node.group):
        return node
    is_in = group in (who.name, node.group) or group in who.groups
    if not who.is_admin and not (who.name == node.owner == owner and is_in):
        raise Refused(e.Forbidden)
    mode = node.mode & ~(SET_USER | SET_GROUP) if node.kind == "file" else node.mode
    return replace(node, owner=owner, group=group, mode=mode)


def _with_mode(who: Who, node: Node, mode: int) -> Node:
    require_owner(who, node)
    if node.kind == "symlink":
        return node
    is_in = who.is_admin or node.group == who.name or node.group in who.groups
    if not node.is_directory and not is_in:
        mode &= ~SET_GROUP
    return replace(node, mode=mode)


def _with_mtime(who: Who, node: Node, time: Time, number: int, *, new: bool) -> Node:
    if not new and not (isinstance(time, Now) and allowed(who, node, WRITE)):
        require_owner(who, node)
    return replace(node, mtime=time, mtime_set=number)


def _with_xattrs(who: Who, node: Node, wanted: dict[bytes, bytes], lenient: bool, *, new: bool) -> Node:
    if not new:
        require(who, node, WRITE)
    after = {name: value for name, value in node.xattrs.items() if not _settable(who, name)}
    for name, value in wanted.items():
        if node.kind == "symlink" and name.startswith(b"user."):
            kind: type[e.CairnError] = e.BadXattr
        elif not _settable(who, name):
            kind = e.Forbidden
        else:
            after[name] = value
            continue
        if not lenient:
            raise Refused(kind)
    return replace(node, xattrs=after)


def _settable(who: Who, name: bytes) -> bool:
    return name.startswith(b"user.") or who.is_admin
