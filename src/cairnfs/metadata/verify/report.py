"""What a verification found: counts and findings.

What belongs here: collecting, with a limit, and the loops that the checks share. What does not: the
checks. One tx, one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cairnfs.metadata.databases.seam import Row, Tx, Value
from cairnfs.wire.verification import Finding

#: Of one invariant; ten invariants make a hundred.
FINDINGS_MAX = 10
PAGE = 1_000


@dataclass(slots=True)
class Report:
    """Counts by kind of row, and what is wrong: at most FINDINGS_MAX findings of each invariant."""

    tx: Tx
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, invariant: str, detail: str) -> None:
        """Something is wrong."""
        if sum(one.invariant == invariant for one in self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(invariant=invariant, detail=detail))

    def none(self, invariant: str, tell: Callable[[Row], str], sql: str, *args: Value) -> None:
        """This SELECT must give no rows; each row that it gives is a finding, told by `tell`."""
        for row in self.tx.rows(f"{sql} LIMIT {FINDINGS_MAX}", *args):
            self.find(invariant, tell(row))

    def count(self, name: str, sql: str) -> int:
        """Count rows for people."""
        row = self.tx.row(sql)
        assert row is not None
        self.counts[name] = int(row[0] or 0)
        return self.counts[name]

    def pages(self, sql: str, first: tuple[Value, ...], width: int) -> Iterator[list[Row]]:
        """All rows in pages: `sql` takes the last row's first `width` columns, then a limit."""
        after = first
        while page := self.tx.rows(sql, *after, PAGE):
            yield page
            after = page[-1][:width]
