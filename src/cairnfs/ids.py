"""Names for the kinds of numbers, so that one is never taken for another.

What belongs here: NewTypes only. Every id that crosses a seam has one.
"""

from __future__ import annotations

from typing import NewType

Hash = NewType("Hash", bytes)  #: BLAKE3 of a chunk or a leaf, 32 bytes
Name = NewType("Name", bytes)  #: one directory entry's name, 1 to 255 bytes
Path = NewType("Path", bytes)  #: b"/" or b"/a/b": absolute, no empty component, at most 4,096 bytes
InodeId = NewType("InodeId", int)  #: 1 is the root directory
CommitNumber = NewType("CommitNumber", int)  #: order of numbers is order of visibility
Incarnation = NewType("Incarnation", int)  #: changes when history may have been cut
UserId = NewType("UserId", int)
GroupId = NewType("GroupId", int)  #: a replica group, 0 to 1,023
FileserverId = NewType("FileserverId", int)
BootId = NewType("BootId", str)  #: 128 random bits in hex, new at every start of a fileserver
SessionId = NewType("SessionId", str)  #: 128 random bits in hex
RequestId = NewType("RequestId", str)  #: chosen by the client, 128 random bits in hex
ClusterId = NewType("ClusterId", str)  #: 128 random bits in hex

ROOT = InodeId(1)
GROUPS = 1024
#: A row that is alive has this as `died`.
NEVER = CommitNumber(2**63 - 1)
