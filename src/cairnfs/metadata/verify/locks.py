"""[lock] and [lock_key]: who holds what, who waits rightly, and that every key is what the tree says now.

What belongs here: checks of these tables, against sessions, the clock and the tree. Two requests *meet* where
they have one name or inode in common, or where one of them is for a whole subtree and the other for something
below. Each check goes once over all keys in order, so that 100,000 locks, or 1,000 that wait for one path,
take seconds.
"""

from __future__ import annotations

from cairnfs.ids import NEVER, ROOT
from cairnfs.metadata.databases.seam import Row
from cairnfs.metadata.rows import clock
from cairnfs.metadata.verify.report import Report
from cairnfs.wire import names

TOKEN_HASH_BYTES = 32
#: Requests as the law sees them: an owner is of one session.
_REQUEST = (
    "request AS (SELECT id, session || ' ' || owner AS who, exclusive, subtree,"
    " CASE WHEN fence > 0 THEN 1 ELSE 0 END AS held FROM lock)"
)
#: All that stands before a request at a place: what is held, and what came earlier.
_BEFORE = "ORDER BY held DESC, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
#: Somebody else is before it, and not both only share.
_MEETS = (
    "CASE WHEN ({exclusive} = 1 AND ({first} <> who OR {last} <> who))"
    " OR {first_alone} <> who OR {last_alone} <> who THEN 1 ELSE 0 END"
)


def _owners(side: str, also: str = "") -> str:
    """The least and greatest owner before a row at its place: of all, and of those who hold it alone."""
    return ", ".join(
        f"{which}(CASE WHEN {'1 = 1' if not alone else 'exclusive = 1'}{also} THEN who END) OVER w"
        f" AS {side}_{which}{alone}"
        for alone in ("", "_alone")
        for which in ("min", "max")
    )


def _meets(side: str) -> str:
    return _MEETS.format(
        exclusive="exclusive",
        first=f"{side}_min",
        last=f"{side}_max",
        first_alone=f"{side}_min_alone",
        last_alone=f"{side}_max_alone",
    )


#: Every request at every place where it meets others: whether one before it is in its way.
_MEETING = (
    f"WITH {_REQUEST}, same AS (SELECT k.kind, k.inode, k.name, r.id, r.who, r.exclusive, r.held"
    " FROM lock_key AS k CROSS JOIN request AS r WHERE r.id = k.lock AND k.kind IN (0, 1)),"
    # At a directory: those who have it with all below (over = 1), and those who have something below.
    " nested AS (SELECT k.inode, CASE WHEN k.kind = 1 THEN 1 ELSE 0 END AS over, r.id, r.who, r.exclusive,"
    " r.held FROM lock_key AS k CROSS JOIN request AS r WHERE r.id = k.lock"
    " AND (k.kind = 2 OR (k.kind = 1 AND r.subtree = 1))),"
    " meeting AS ("
    f"SELECT id, held, {_meets('all')} AS met FROM (SELECT id, who, exclusive, held, {_owners('all')}"
    f" FROM same WINDOW w AS (PARTITION BY kind, inode, name {_BEFORE})) AS s"
    f" UNION ALL SELECT id, held, CASE WHEN over = 1 THEN {_meets('below')} ELSE {_meets('above')} END AS met"
    f" FROM (SELECT id, who, exclusive, held, over, {_owners('below', ' AND over = 0')},"
    f" {_owners('above', ' AND over = 1')} FROM nested WINDOW w AS (PARTITION BY inode {_BEFORE})) AS n)"
)

_LIVE = f"died = {NEVER}"
#: What names asked for lead to now; from where ways up begin: every directory with a name of what is locked;
#: those ways; and the directories from which they end at the root.
_TREE = (
    "WITH RECURSIVE leads AS (SELECT k.lock, k.inode AS parent, k.name, d.inode FROM lock_key AS k"
    f" LEFT JOIN dentry AS d ON d.parent = k.inode AND d.name = k.name AND d.{_LIVE} WHERE k.kind = 0),"
    " starts AS (SELECT lock, parent AS asked, parent AS inode FROM leads UNION"
    " SELECT l.lock, l.parent, d.parent FROM leads AS l CROSS JOIN dentry AS d"
    f" WHERE d.inode = l.inode AND d.traced = 1 AND d.{_LIVE}),"
    " up (start, inode) AS (SELECT DISTINCT inode, inode FROM starts UNION"
    " SELECT u.start, d.parent FROM up AS u CROSS JOIN dentry AS d"
    f" WHERE d.inode = u.inode AND d.traced = 1 AND d.{_LIVE}),"
    f" alive AS (SELECT start AS inode FROM up WHERE inode = {ROOT}),"
    " cut AS (SELECT DISTINCT l.lock FROM leads AS l LEFT JOIN alive AS a ON a.inode = l.parent"
    " WHERE a.inode IS NULL)"
)


def check_locks(report: Report) -> None:
    """[lock] the session lives and is that user's; numbers and fences are below the clock's, and each is one
    request's; the clock counts them; rows make sense by themselves."""
    now = clock.read(report.tx)
    held = report.count("locks", "SELECT count(*) FROM lock WHERE fence > 0")
    waiting = report.count("locks_waiting", "SELECT count(*) FROM lock WHERE fence <= 0")
    if held + waiting != now.locks:
        report.find("lock", f"there are {held + waiting} locks and requests, the clock counts {now.locks}")
    report.none(
        "lock",
        lambda row: f"lock {row[0]} is of session {row[1]}, which is over, or of another user than {row[2]}",
        "SELECT l.id, l.session, l.user_id FROM lock AS l LEFT JOIN session AS s ON s.id = l.session"
        " AND s.user_id = l.user_id WHERE s.id IS NULL",
    )
    report.none(
        "lock",
        lambda row: f"lock {row[0]} has a number that is still to be given",
        "SELECT id FROM lock WHERE id >= ?",
        now.next_lock,
    )
    report.none(
        "lock",
        lambda row: f"lock {row[0]} has the fence {row[1]}, beyond the clock's",
        "SELECT id, fence FROM lock WHERE fence > ?",
        now.fence,
    )
    report.none(
        "lock",
        lambda row: f"{row[1]} locks have the fence {row[0]}",
        "SELECT fence, count(*) FROM lock WHERE fence > 0 GROUP BY fence HAVING count(*) > 1",
    )
    report.none(
        "lock",
        lambda row: f"lock {row[0]} makes no sense: {row[1:]}",
        "SELECT id, exclusive, subtree, fence, granted_us, length(token_hash) FROM lock"
        " WHERE exclusive NOT IN (0, 1) OR subtree NOT IN (0, 1) OR fence < 0"
        " OR (fence > 0) <> (granted_us > 0) OR length(token_hash) <> ?",
        TOKEN_HASH_BYTES,
    )
    report.none(
        "lock",
        lambda row: f"lock {row[0]} was broken, and is there still",
        "SELECT b.id FROM broken_lock AS b CROSS JOIN lock AS l WHERE l.id = b.id",
    )


def check_queues(report: Report) -> None:
    """[lock] no two held conflict; what waits conflicts with something held or before it."""
    report.none(
        "lock",
        lambda row: f"lock {row[0]} is held, and so is one that conflicts with it",
        f"{_MEETING} SELECT DISTINCT id FROM meeting WHERE held = 1 AND met = 1 ORDER BY id",
    )
    report.none(
        "lock",
        lambda row: f"request {row[0]} waits, and nothing is in its way",
        f"{_MEETING} SELECT r.id FROM request AS r LEFT JOIN"
        " (SELECT id FROM meeting WHERE held = 0 AND met = 1 GROUP BY id) AS m ON m.id = r.id"
        " WHERE r.held = 0 AND m.id IS NULL ORDER BY r.id",
    )


def check_keys(report: Report) -> None:
    """[lock_key] the lock exists, and is held where its keys say so; each is of a known kind, and a lock has
    at least one that stands for a path."""
    report.count("lock_keys", "SELECT count(*) FROM lock_key")
    report.none(
        "lock_key",
        lambda row: f"{_key(row)} is of lock {row[3]}, which is not there, or not in that state",
        "SELECT k.kind, k.inode, k.name, k.lock FROM lock_key AS k LEFT JOIN lock AS l ON l.id = k.lock"
        " AND k.held = CASE WHEN l.fence > 0 THEN 1 ELSE 0 END WHERE l.id IS NULL",
    )
    report.none(
        "lock_key",
        lambda row: f"{_key(row)} of lock {row[3]} is none",
        "SELECT kind, inode, name, lock FROM lock_key"
        " WHERE kind NOT IN (0, 1, 2) OR (kind = 0) <> (length(name) > 0)",
    )
    report.none(
        "lock_key",
        lambda row: f"lock {row[0]} is for no path",
        "SELECT l.id FROM lock AS l LEFT JOIN (SELECT DISTINCT lock FROM lock_key"
        f" WHERE kind = 0 OR (kind = 1 AND inode = {ROOT})) AS k ON k.lock = l.id WHERE k.lock IS NULL",
    )


def check_tree(report: Report) -> None:
    """[lock_key] where the directory of a key 0 is alive, its keys 1 and 2 are what the tree says now.

    Of a file with several names, keys 2 are the ways up from all of them. A lock of which one directory was
    removed may have kept keys of what was there; and of what is not alive nothing is asked.
    """
    report.none(
        "lock_key",
        lambda row: (
            f"lock {row[0]} is for {names.printable(row[2])} in {row[1]}, not for inode {row[3]} there"
        ),
        f"{_TREE} SELECT l.lock, l.parent, l.name, l.inode FROM leads AS l CROSS JOIN alive AS a"
        " LEFT JOIN lock_key AS k ON k.inode = l.inode AND k.kind = 1 AND k.lock = l.lock"
        " WHERE a.inode = l.parent AND l.inode IS NOT NULL AND k.lock IS NULL",
    )
    report.none(
        "lock_key",
        lambda row: f"lock {row[0]} is for inode {row[1]}, to which none of its names leads",
        f"{_TREE} SELECT k.lock, k.inode FROM lock_key AS k LEFT JOIN leads AS l ON l.lock = k.lock"
        " AND l.inode = k.inode LEFT JOIN cut AS c ON c.lock = k.lock"
        f" WHERE k.kind = 1 AND k.inode <> {ROOT} AND l.lock IS NULL AND c.lock IS NULL",
    )
    report.none(
        "lock_key",
        lambda row: f"lock {row[0]} is for something below {row[1]}, and has no key that says so",
        f"{_TREE} SELECT n.lock, n.inode FROM (SELECT DISTINCT s.lock, u.inode FROM starts AS s"
        " CROSS JOIN alive AS d CROSS JOIN alive AS a CROSS JOIN up AS u"
        " WHERE d.inode = s.asked AND a.inode = s.inode AND u.start = s.inode) AS n"
        " LEFT JOIN lock_key AS k ON k.inode = n.inode AND k.kind = 2 AND k.lock = n.lock"
        " WHERE k.lock IS NULL",
    )
    report.none(
        "lock_key",
        lambda row: f"lock {row[0]} says it is for something below {row[1]}, where it has nothing",
        f"{_TREE} SELECT k.lock, k.inode FROM lock_key AS k"
        f" LEFT JOIN version AS v ON v.inode = k.inode AND v.{_LIVE}"
        " LEFT JOIN (SELECT DISTINCT s.lock, u.inode FROM starts AS s CROSS JOIN up AS u"
        " WHERE u.start = s.inode) AS n ON n.lock = k.lock AND n.inode = k.inode"
        " LEFT JOIN cut AS c ON c.lock = k.lock"
        " WHERE k.kind = 2 AND v.inode IS NOT NULL AND n.lock IS NULL AND c.lock IS NULL",
    )


def _key(row: Row) -> str:
    return f"the key ({row[0]}, {row[1]}, {names.printable(row[2])})"
