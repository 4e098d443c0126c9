"""[session] and [group]: clients that live, and who must hold what.

What belongs here: checks of these tables alone. That the members of a clean group really hold all its
chunks only they can say: that part is `control`'s, by their inventories.
"""

from __future__ import annotations

from cairnfs.ids import GROUPS
from cairnfs.metadata.rows import clock
from cairnfs.metadata.verify.report import Report


def check_sessions(report: Report) -> None:
    """[session] needs <= clock.commit_number; its user exists."""
    report.count("sessions", "SELECT count(*) FROM session")
    report.none(
        "session",
        lambda row: f"session {row[0]} needs commit {row[1]}",
        "SELECT id, needs FROM session WHERE needs > ?",
        clock.read(report.tx).commit_number,
    )
    report.none(
        "session",
        lambda row: f"session {row[0]} is of user {row[1]}, who does not exist",
        "SELECT s.id, s.user_id FROM session AS s LEFT JOIN users AS u ON u.id = s.user_id"
        " WHERE u.id IS NULL",
    )


def check_groups(report: Report) -> None:
    """[group] all groups are there; members are known fileservers, each once, counted from 0."""
    groups = report.count("groups", "SELECT count(*) FROM replica_group")
    report.count("groups_dirty", "SELECT count(*) FROM replica_group WHERE dirty <> 0")
    report.count("fileservers", "SELECT count(*) FROM fileserver")
    if groups != GROUPS:
        report.find("group", f"there are {groups} groups, not {GROUPS}")
    report.none(
        "group",
        lambda row: f"member {row[1]} of group {row[0]} is not a known fileserver",
        "SELECT m.group_id, m.fileserver FROM group_member AS m"
        " LEFT JOIN fileserver AS f ON f.id = m.fileserver WHERE f.id IS NULL",
    )
    report.none(
        "group",
        lambda row: f"fileserver {row[1]} is {row[2]} times in group {row[0]}",
        "SELECT group_id, fileserver, count(*) FROM group_member GROUP BY group_id, fileserver"
        " HAVING count(*) > 1",
    )
    report.none(
        "group",
        lambda row: f"the members of group {row[0]} are not counted from 0",
        "SELECT m.group_id, count(*) FROM group_member AS m LEFT JOIN replica_group AS r ON r.id = m.group_id"
        " GROUP BY m.group_id HAVING min(m.position) <> 0 OR max(m.position) <> count(*) - 1"
        " OR max(r.id) IS NULL",
    )
