"""cluster: the map for programs, the status for people.

What belongs here: the two reads, each of one snapshot.
"""

from __future__ import annotations

from typing import cast

from cairnfs.core.placement import required
from cairnfs.ids import GroupId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import clock, fileservers, groups, sessions
from cairnfs.wire.cluster import ClusterMap, FileserverInfo, FileserverStatus, State, StatusReply


def cluster_map(tx: Tx) -> ClusterMap:
    """Groups, their members, and where these are."""
    now, members, states = clock.read(tx), groups.members(tx), groups.states(tx)
    return ClusterMap(
        cluster_id=now.cluster_id,
        version=now.map_version,
        incarnation=now.incarnation,
        copies=now.copies,
        fileservers=[
            FileserverInfo(
                id=one.id, address=one.address, state=cast(State, one.state), boot=one.boot, zone=one.zone
            )
            for one in fileservers.every(tx)
        ],
        groups=[list(members.get(group, ())) for group, _, _ in states],
        epochs=[epoch for _, epoch, _ in states],
    )


def status(tx: Tx, *, database: str, version: str) -> StatusReply:
    """The cluster at a glance. `database` and `version` are the caller's to know."""
    now, servers = clock.read(tx), fileservers.every(tx)
    clean, dirty = groups.count(tx)
    up = {one.id for one in servers if one.state == "up"}
    members, enough = groups.members(tx), required(now.copies, "majority")
    ready = all(
        sum(one in up for one in members.get(GroupId(group), ())) >= enough for group in range(clean + dirty)
    )
    return StatusReply(
        cluster_id=now.cluster_id,
        ready=ready,
        commit=now.commit_number,
        incarnation=now.incarnation,
        copies=now.copies,
        groups_clean=clean,
        groups_dirty=dirty,
        fileservers=[
            FileserverStatus(
                id=one.id,
                address=one.address,
                state=cast(State, one.state),
                used_bytes=one.used_bytes,
                free_bytes=one.free_bytes,
                chunks=one.chunks,
            )
            for one in servers
        ],
        sessions=sessions.count(tx),
        database=database,
        version=version,
    )
