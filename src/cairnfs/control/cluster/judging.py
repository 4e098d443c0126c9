"""What a difference between the database's list and the fileservers' inventories means.

    chunk_lost           every member answered and none has a good copy
    chunk_unavailable    no member that answered has it, but not every member answered
    chunk_corrupt        a copy whose bytes are not what its name says (found by a deep comparison)
    chunk_wrong_size     a copy of another length than the database says
    too_few_copies       every member answered; fewer hold it than a receipt had promised
    clean_group_misses   a member of a clean group lacks it, also at a second look
    unreachable          a member could not be asked; its copies count neither way

What belongs here: counting and judging, page by page, in bounded memory. What does not: asking
(`inventories.py`). Values only, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cairnfs.control.cluster.inventories import Listed, Page
from cairnfs.core.placement import group_of
from cairnfs.ids import FileserverId, GroupId, Hash
from cairnfs.wire.verification import Finding, VerifyGroupsReply

FINDINGS_MAX = 100


@dataclass(frozen=True, slots=True)
class Group:
    """A replica group as the database has it."""

    members: tuple[FileserverId, ...]
    dirty: bool


class Miss(NamedTuple):
    """A chunk that a member of a clean group seems to lack. The group may have become dirty since."""

    chunk: Listed
    group: GroupId
    member: FileserverId


@dataclass(slots=True)
class Judgement:
    """The running result of one comparison."""

    groups: Mapping[GroupId, Group]
    chunks: int = 0
    bytes: int = 0
    copies: int = 0
    copies_missing: int = 0
    findings: list[Finding] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)
    #: Groups with copies that are not as they should be.
    doubtful: set[GroupId] = field(default_factory=set)
    _silent: set[FileserverId] = field(default_factory=set)

    def unreachable(self, fileserver: FileserverId, why: str) -> None:
        """This member cannot be asked; told once."""
        if fileserver not in self._silent:
            self._silent.add(fileserver)
            self._find("unreachable", f"fileserver {fileserver} cannot be asked: {why}")

    def take(self, page: Page) -> None:
        """Judge one page."""
        for fileserver, why in page.silent.items():
            self.unreachable(fileserver, why)
        for fileserver, held in page.held.items():
            for digest in sorted(held.corrupt):
                self.doubtful.add(group_of(Hash(digest)))
                self._find("chunk_corrupt", f"fileserver {fileserver} holds a bad copy of {digest.hex()}")
        for chunk in page.listed:
            self._judge(chunk, page)

    def _judge(self, chunk: Listed, page: Page) -> None:
        number = group_of(chunk.hash)
        group = self.groups[number]
        answered = [member for member in group.members if member in page.held]
        holders = []
        for member in answered:
            size = page.held[member].good.get(chunk.hash)
            if size == chunk.size:
                holders.append(member)
            elif size is not None:
                self.doubtful.add(number)
                self._find(
                    "chunk_wrong_size",
                    f"fileserver {member} holds {chunk.hash.hex()} in {size} bytes, not {chunk.size}",
                )
        self.chunks += 1
        self.bytes += chunk.size
        self.copies += len(holders)
        self.copies_missing += len(answered) - len(holders)
        self._judge_copies(chunk, number, holders, answered)

    def _judge_copies(
        self, chunk: Listed, number: GroupId, holders: list[FileserverId], answered: list[FileserverId]
    ) -> None:
        group = self.groups[number]
        name = chunk.hash.hex()
        everyone = len(answered) == len(group.members)
        if not holders:
            self.doubtful.add(number)
            if everyone:
                self._find("chunk_lost", f"no member of group {number} has a good copy of {name}")
            else:
                self._find("chunk_unavailable", f"no member of group {number} that answered has {name}")
            return
        if everyone and len(holders) < chunk.copies:
            self.doubtful.add(number)
            self._find("too_few_copies", f"{len(holders)} hold {name}, {chunk.copies} had promised to")
        if not group.dirty and len(self.misses) < FINDINGS_MAX:
            self.misses += [Miss(chunk, number, member) for member in answered if member not in holders]

    def confirm(self, miss: Miss) -> None:
        """A second look found the group clean and the chunk missing."""
        self.doubtful.add(miss.group)
        self._find(
            "clean_group_misses",
            f"group {miss.group} is clean, but its member {miss.member} lacks {miss.chunk.hash.hex()}",
        )

    def _find(self, invariant: str, detail: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(invariant=invariant, detail=detail))

    def reply(self) -> VerifyGroupsReply:
        """The result as a message."""
        return VerifyGroupsReply(
            chunks=self.chunks,
            bytes=self.bytes,
            copies=self.copies,
            copies_missing=self.copies_missing,
            groups_dirty=sum(group.dirty for group in self.groups.values()),
            findings=self.findings,
        )
