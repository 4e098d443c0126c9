"""Extended attributes: which names and values may be, and how a set of them is written down.

A set is MessagePack of a list of (name, value) in the order of the names' bytes, named by the BLAKE3 of
exactly those bytes: it never changes, and golden vectors stand in the tests. What belongs here: the rules.
What does not: storing sets (`metadata/state/xattrs`), local files' attributes (`client`). Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cairnfs.core.manifest import hash_bytes
from cairnfs.core.permissions import Person
from cairnfs.errors import BadXattr, Forbidden, XattrTooLarge
from cairnfs.ids import Hash

NAME_MAX_BYTES = 255
VALUE_MAX_BYTES = 64 * 1024
SET_MAX_BYTES = 128 * 1024  #: names and values together
SET_MAX = 1000
USER, TRUSTED, SECURITY = b"user.", b"trusted.", b"security."
_NAMESPACES = (USER, TRUSTED, SECURITY)

Xattrs = Mapping[bytes, bytes]
_decoder = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])


def check_name(name: bytes) -> None:
    """Raises BadXattr for what is no name of an attribute that Cairn keeps."""
    if not 1 <= len(name) <= NAME_MAX_BYTES or b"\0" in name:
        raise BadXattr(f"an attribute's name has 1 to {NAME_MAX_BYTES} bytes and no NUL")
    if not name.startswith(_NAMESPACES) or name in _NAMESPACES:
        raise BadXattr("an attribute's name begins with user., trusted. or security.")


def is_kept(name: bytes) -> bool:
    """Whether this can be the name of an attribute that Cairn keeps."""
    try:
        check_name(name)
    except BadXattr:
        return False
    return True


def check(name: bytes, value: bytes) -> None:
    """Raises BadXattr, or XattrTooLarge for a value over VALUE_MAX_BYTES."""
    check_name(name)
    if len(value) > VALUE_MAX_BYTES:
        raise XattrTooLarge(f"an attribute has at most {VALUE_MAX_BYTES} bytes, this one has {len(value)}")


def may_set(person: Person, name: bytes) -> None:
    """Raises Forbidden where only administrators set the attributes of this namespace."""
    if not name.startswith(USER) and person.role != "admin":
        raise Forbidden(f"only administrators set {name.partition(b'.')[0].decode()} attributes")


def may_see(person: Person, name: bytes) -> bool:
    """Whether a person who may read the file is told of this attribute."""
    return not name.startswith(TRUSTED) or person.role == "admin"


def encode(xattrs: Xattrs) -> bytes:
    """The bytes of a set; none for an empty one. Raises XattrTooLarge."""
    if not xattrs:
        return b""
    if len(xattrs) > SET_MAX:
        raise XattrTooLarge(f"a file has at most {SET_MAX} attributes")
    total = sum(len(name) + len(value) for name, value in xattrs.items())
    if total > SET_MAX_BYTES:
        raise XattrTooLarge(f"the attributes of a file have at most {SET_MAX_BYTES} bytes together")
    return msgspec.msgpack.encode(sorted(xattrs.items()))


def decode(entries: bytes) -> dict[bytes, bytes]:
    """A set's attributes, in the order of their names."""
    return dict(_decoder.decode(entries)) if entries else {}


def name_of(entries: bytes) -> Hash:
    """What a set that is not empty is named."""
    return hash_bytes(entries)
