"""Replica groups and their members.

What belongs here: the tables `replica_group` and `group_member`. What does not: who should be a
member (`core.placement`). Any thread, inside a tx; changes hold the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cairnfs.ids import FileserverId, GroupId
from cairnfs.metadata.databases.seam import Tx


def members(tx: Tx) -> dict[GroupId, tuple[FileserverId, ...]]:
    """The members of each group that has any, the primary first."""
    found: dict[GroupId, list[FileserverId]] = {}
    for group, fileserver in tx.rows(
        "SELECT group_id, fileserver FROM group_member ORDER BY group_id, position"
    ):
        found.setdefault(group, []).append(fileserver)
    return {group: tuple(ids) for group, ids in found.items()}


def states(tx: Tx) -> list[tuple[GroupId, int, bool]]:
    """(group, epoch, dirty?) of all groups in order."""
    rows = tx.rows("SELECT id, epoch, dirty FROM replica_group ORDER BY id")
    return [(group, epoch, dirty != 0) for group, epoch, dirty in rows]


def dirty(tx: Tx) -> frozenset[GroupId]:
    """Which groups are dirty."""
    return frozenset(row[0] for row in tx.rows("SELECT id FROM replica_group WHERE dirty <> 0"))


def mark_dirty(tx: Tx, groups: Iterable[GroupId]) -> None:
    """A member of each of these groups may miss a chunk."""
    tx.run_given(
        "UPDATE replica_group SET dirty = 1 FROM {given} AS g WHERE replica_group.id = g.id"
        " AND replica_group.dirty <> 1",
        "id BIGINT",
        [(group,) for group in groups],
    )


def begin_comparison(tx: Tx, groups: Iterable[GroupId]) -> None:
    """Of these groups, from now on each new miss can be told: `mark_dirty` turns 2 into 1 again."""
    tx.run_given(
        "UPDATE replica_group SET dirty = 2 FROM {given} AS g WHERE replica_group.id = g.id"
        " AND replica_group.dirty = 1",
        "id BIGINT",
        [(group,) for group in groups],
    )


def mark_clean(tx: Tx, groups: Iterable[tuple[GroupId, int]]) -> list[GroupId]:
    """Clean those of these (group, epoch) that missed nothing since their comparison began; give them."""
    rows = tx.rows_given(
        "UPDATE replica_group SET dirty = 0 FROM {given} AS g WHERE replica_group.id = g.id"
        " AND replica_group.epoch = g.epoch AND replica_group.dirty = 2 RETURNING replica_group.id",
        "id BIGINT, epoch BIGINT",
        list(groups),
    )
    return [row[0] for row in rows]


def change(tx: Tx, groups: Sequence[tuple[GroupId, tuple[FileserverId, ...]]], *, dirty: bool) -> None:
    """Give each of these groups these members and the next epoch; `dirty` marks them as well."""
    tx.run_given(
        "DELETE FROM group_member WHERE group_id IN (SELECT g.id FROM {given} AS g)",
        "id BIGINT",
        [(group,) for group, _ in groups],
    )
    tx.run_given(
        "INSERT INTO group_member (group_id, position, fileserver)"
        " SELECT g.group_id, g.position, g.fileserver FROM {given} AS g",
        "group_id BIGINT, position BIGINT, fileserver BIGINT",
        [(group, at, one) for group, chosen in groups for at, one in enumerate(chosen)],
    )
    tx.run_given(
        "UPDATE replica_group SET epoch = replica_group.epoch + 1,"
        " dirty = CASE WHEN g.dirty > 0 THEN 1 ELSE replica_group.dirty END"
        " FROM {given} AS g WHERE replica_group.id = g.id",
        "id BIGINT, dirty BIGINT",
        [(group, int(dirty)) for group, _ in groups],
    )


def count(tx: Tx) -> tuple[int, int]:
    """(clean, dirty)."""
    row = tx.row("SELECT count(*), sum(CASE WHEN dirty = 0 THEN 0 ELSE 1 END) FROM replica_group")
    assert row is not None
    return int(row[0]) - int(row[1] or 0), int(row[1] or 0)
