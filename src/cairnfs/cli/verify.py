"""`cairn verify`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import number, seconds, show, show_json, shown, size
from cairnfs.cli.progress import Progress
from cairnfs.clock import SystemClock
from cairnfs.errors import DeadlineExceeded
from cairnfs.ids import GROUPS
from cairnfs.wire import endpoints
from cairnfs.wire.verification import Finding, VerifyDatabaseReply, VerifyGroupsReply, VerifyGroupsRequest

if TYPE_CHECKING:
    from cairnfs.client.sync import Client

_TIMEOUT_S = 110.0
#: Groups in one request at first; more as long as it is quick, fewer when it does not get done in time.
_GROUPS_AT_FIRST = 16
_QUICK_S = 0.5


@dataclass(slots=True)
class Checked:
    """What was found, added up; a finding that several answers hold is one."""

    database: VerifyDatabaseReply
    chunks: int = 0
    bytes: int = 0
    copies: int = 0
    copies_missing: int = 0
    groups_dirty: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, reply: VerifyGroupsReply) -> None:
        """Take in what some groups answered."""
        self.chunks += reply.chunks
        self.bytes += reply.bytes
        self.copies += reply.copies
        self.copies_missing += reply.copies_missing
        self.groups_dirty += reply.groups_dirty
        self.findings = list(dict.fromkeys([*self.findings, *reply.findings]))


def command(
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte on every fileserver.")] = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Check that the cluster is whole.

    Every invariant of the database is checked, and every fileserver's chunks against it. Exit status 1
    if anything is wrong. Only administrators can.
    """
    clock = SystemClock()
    begun = clock.monotonic()
    with connection.client(url, profile) as client, Progress("verify") as progress:
        checked = _check(client, progress, deep=deep)
    took = clock.monotonic() - begun
    if json:
        show_json(_document(checked, deep, took))
    else:
        for line in _lines(checked, deep, took):
            show(line)
    return exits.DIFFERENCE if checked.findings else exits.OK


def _check(client: Client, progress: Progress, *, deep: bool) -> Checked:
    database = client.ask(endpoints.VERIFY_DATABASE, timeout_s=_TIMEOUT_S)
    checked = Checked(database, findings=list(database.findings))
    clock = SystemClock()
    first, at_once = 0, _GROUPS_AT_FIRST
    while first < GROUPS:
        last = min(first + at_once, GROUPS) - 1
        begun = clock.monotonic()
        try:
            request = VerifyGroupsRequest(first=first, last=last, deep=deep)
            checked.add(client.ask(endpoints.VERIFY_GROUPS, request, timeout_s=_TIMEOUT_S))
        except DeadlineExceeded:
            if at_once == 1:
                raise
            at_once = max(1, at_once // 4)
            continue
        first = last + 1
        if clock.monotonic() - begun < _QUICK_S:
            at_once = min(at_once * 2, GROUPS)
        copies = number(checked.copies, "copy", "copies")
        progress.update(first, GROUPS, f"{first:,}/{GROUPS:,} groups, {copies}")
    return checked


def _lines(checked: Checked, deep: bool, took: float) -> list[str]:
    counts = checked.database.counts
    known = [number(counts[key], one, many) for key, one, many in _COUNTED if key in counts]
    known.append(f"{number(checked.chunks, 'chunk')} ({size(checked.bytes)})")
    known.append(f"{number(checked.copies, 'copy', 'copies')}{' read' if deep else ''}")
    if checked.copies_missing:
        known.append(f"{number(checked.copies_missing, 'copy', 'copies')} still to be made")
    if checked.groups_dirty:
        known.append(number(checked.groups_dirty, "dirty group"))
    summary = f"{', '.join(known)}, commit {checked.database.commit}, in {seconds(took)}"
    if not checked.findings:
        return [f"verify: ok, {summary}"]
    wrong = [f"{finding.invariant}: {shown(finding.detail)}" for finding in checked.findings]
    return [*wrong, f"verify: {number(len(wrong), 'thing is', 'things are')} wrong; {summary}"]


#: What the database counts, in the order and words of the summary.
_COUNTED = (
    ("names", "name", "names"),
    ("versions", "version", "versions"),
    ("invariants", "invariant", "invariants"),
)


def _document(checked: Checked, deep: bool, took: float) -> dict[str, Any]:
    return {
        "ok": not checked.findings,
        "deep": deep,
        "commit": checked.database.commit,
        "counts": checked.database.counts,
        "chunks": checked.chunks,
        "bytes": checked.bytes,
        "copies": checked.copies,
        "copies_missing": checked.copies_missing,
        "groups_dirty": checked.groups_dirty,
        "findings": [{"invariant": one.invariant, "detail": one.detail} for one in checked.findings],
        "seconds": round(took, 6),
    }
