"""Locks and requests as plain rows, put where a test wants them, whatever the law says of them."""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core.permissions import Person
from cairnfs.ids import SessionId
from cairnfs.metadata import verify
from cairnfs.metadata.databases.seam import Tx
from cairnfs.testing.ledger import Ledger

NAME, INODE, BELOW = 0, 1, 2
Key = tuple[int, int, bytes]


class Rows:
    """Requests as plain rows, whatever the law says of them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.others = [ledger.begin(ledger.admin) for _ in range(3)]

    def inode(self, path: str) -> int:
        return int(self.ledger.stat(path).inode)

    def keys(self, *paths: str) -> list[Key]:
        """The keys of these paths, of which none is a symlink or leads through one."""
        found: list[Key] = []
        for path in paths:
            *up, last = path.split("/")[1:]
            if not last:
                found.append((INODE, 1, b""))
                continue
            ways = [self.inode("/" + "/".join(up[:n])) for n in range(len(up) + 1)]
            found.append((NAME, ways[-1], last.encode()))
            found += [(BELOW, inode, b"") for inode in ways]
            if any(entry.name == last for entry in self.ledger.list("/" + "/".join(up))):
                found.append((INODE, self.inode(path), b""))
        return list(dict.fromkeys(found))

    def put(
        self,
        number: int,
        session: SessionId,
        keys: Sequence[Key],
        *,
        shared: bool = False,
        subtree: bool = False,
        held: bool = True,
        owner: str = "me",
        person: Person | None = None,
    ) -> None:
        """One request; `number` is its number, and the fence it would be held under."""
        user = (person or self.ledger.admin).user_id
        fence = number if held else 0

        def insert(tx: Tx) -> None:
            row = (
                number,
                session,
                owner,
                user,
                bytes(32),
                int(not shared),
                int(subtree),
                fence,
                number,
                fence,
            )
            tx.run("INSERT INTO lock VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
            for kind, inode, name in keys:
                tx.run("INSERT INTO lock_key VALUES (?, ?, ?, ?, ?)", inode, kind, name, int(held), number)
            tx.run("UPDATE clock SET locks = locks + 1, next_lock = 1000, fence = 1000")

        self.ledger.database.write(insert)

    def run(self, sql: str) -> int:
        """Break something."""
        return self.ledger.database.write(lambda tx: tx.run(sql))

    def found(self) -> dict[str, list[str]]:
        """What verification finds, by invariant."""
        told: dict[str, list[str]] = {}
        for one in self.ledger.read(verify.run).findings:
            told.setdefault(one.invariant, []).append(one.detail)
        return told
