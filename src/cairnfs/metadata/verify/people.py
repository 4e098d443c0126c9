"""[people]: users, user groups, who is in which, and what they asked others in by.

What belongs here: checks of these tables alone. Owners that are nobody any more are no findings: what a
removed user or user group had stays theirs.
"""

from __future__ import annotations

from cairnfs.metadata.rows import clock
from cairnfs.metadata.verify.report import Report


def check_people(report: Report) -> None:
    """[people] names and ids are one user's or one user group's; both sides of a membership exist."""
    report.count("users", "SELECT count(*) FROM users WHERE role <> 'fileserver' AND state <> 'removed'")
    report.count("user_groups", "SELECT count(*) FROM user_group")
    for column in ("id", "name"):
        report.none(
            "people",
            lambda row: f"user {row[0]} and user group {row[1]} share a number or a name",
            f"SELECT u.id, g.id FROM user_group AS g JOIN users AS u ON u.{column} = g.{column}",
        )
    report.none(
        "people",
        lambda row: f"user group {row[0]} has a number that is still to be given",
        "SELECT id FROM user_group WHERE id >= ?",
        clock.read(report.tx).next_user,
    )
    report.none(
        "people",
        lambda row: f"user {row[0]} is in user group {row[1]}, of which one does not exist or was removed",
        "SELECT m.user_id, m.user_group FROM membership AS m"
        " LEFT JOIN users AS u ON u.id = m.user_id AND u.state <> 'removed' AND u.role <> 'fileserver'"
        " LEFT JOIN user_group AS g ON g.id = m.user_group WHERE u.id IS NULL OR g.id IS NULL",
    )
    report.none(
        "people",
        lambda row: f"user {row[0]} is {row[2]} and is called {row[1]}",
        "SELECT id, name, state FROM users WHERE (state = 'removed') <> (name = '#' || id)",
    )


def check_rights(report: Report) -> None:
    """[people] who is shut out has neither logins nor sessions; somebody is an administrator; only active
    administrators have invitations and join tokens out."""
    report.none(
        "people",
        lambda row: f"user {row[0]} is {row[1]} and has a login",
        "SELECT u.id, u.state FROM users AS u JOIN refresh_token AS t ON t.user_id = u.id"
        " WHERE u.state <> 'active'",
    )
    report.none(
        "people",
        lambda row: f"user {row[0]} is {row[1]} and has a session",
        "SELECT u.id, u.state FROM users AS u JOIN session AS s ON s.user_id = u.id"
        " WHERE u.state <> 'active'",
    )
    report.none(
        "people",
        lambda row: f"there are {row[0]} people and no active administrator",
        "SELECT people FROM (SELECT count(*) AS people FROM users WHERE role <> 'fileserver') AS p"
        " WHERE people > 0 AND EXISTS (SELECT 1 FROM users WHERE role = 'admin')"
        " AND NOT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND state = 'active')",
    )
    report.none(
        "people",
        lambda row: f"a {row[0]} secret counts in the name of user {row[1]}, who is no active administrator",
        "SELECT o.purpose, o.issuer FROM one_time AS o LEFT JOIN users AS u ON u.id = o.issuer"
        " AND u.role = 'admin' AND u.state = 'active' WHERE o.issuer <> 0 AND u.id IS NULL",
    )
