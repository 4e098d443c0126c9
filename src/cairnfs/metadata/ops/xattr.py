"""xattr: set or remove one extended attribute, and read them.

What belongs here: the verbs. What does not: what may be an attribute (`core/xattrs`). Whoever may write a
file may set its user. attributes, whoever may read it is told of them.
"""

from __future__ import annotations

from msgspec.structs import replace

from cairnfs.core import xattrs as rules
from cairnfs.core.permissions import WRITE, Person
from cairnfs.errors import BadXattr, Exists, NoSuchXattr
from cairnfs.ids import ROOT
from cairnfs.metadata.ops import results
from cairnfs.metadata.ops.resolve import place, require, text, there
from cairnfs.metadata.ops.setattr import renew
from cairnfs.metadata.ops.steps import XattrStep
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import SYMLINK
from cairnfs.wire.commits import OperationResult


def set_xattr(state: State, person: Person, stamp: Stamp, step: XattrStep) -> OperationResult:
    """Raises NotFound, Forbidden, Exists (with `create`), NoSuchXattr (with `replace`, or removing),
    BadXattr, XattrTooLarge."""
    view = state.tree.view
    at = place(view, person, step.path, follow=step.follow)
    dentry = None if at.is_root else there(at)
    if dentry is not None and dentry.kind == SYMLINK and step.name.startswith(rules.USER):
        raise BadXattr("a symlink has no user. attributes", path=text(step.path))
    version = view.version(ROOT if dentry is None else dentry.inode)
    rules.may_set(person, step.name)
    require(person, version, WRITE, step.path)
    present = state.xattrs.get(version.xattrs)
    if step.name in present and step.create:
        raise Exists("the attribute is there", path=text(step.path))
    if step.name not in present and (step.replace or step.value is None):
        raise NoSuchXattr(f"no attribute {step.name.decode(errors='replace')}", path=text(step.path))
    if present.get(step.name) != step.value:
        if step.value is None:
            del present[step.name]
        else:
            present[step.name] = step.value
        renew(state, stamp, dentry, replace(version, xattrs=state.xattrs.offer(present)))
    return results.of(state, version.inode, stamp)
