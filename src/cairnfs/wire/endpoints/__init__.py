"""The one table of endpoints: from it come the server's routes, the client's stubs and OpenAPI.

What belongs here: method, path, messages, who may call, which errors to expect, a module for each
service. What does not: how an endpoint is served (`net/serving`) or called (`net/calls.py`). Some of the
chunk plane's endpoints carry frames (`wire/chunks.py`) instead of JSON on one side and are marked so.
"""

from __future__ import annotations

from typing import Any

from cairnfs.wire.endpoint import Endpoint as Endpoint
from cairnfs.wire.endpoints import (
    auth,
    cluster,
    directory,
    fileserver,
    history,
    locks,
    people,
    search,
    snapshots,
    transactions,
)
from cairnfs.wire.endpoints.auth import (
    JOIN_TOKEN as JOIN_TOKEN,
    KEYS as KEYS,
    LOGIN as LOGIN,
    LOGOUT as LOGOUT,
    PASSWORD as PASSWORD,
    REFRESH as REFRESH,
    SIGNUP as SIGNUP,
    WHOAMI as WHOAMI,
)
from cairnfs.wire.endpoints.cluster import (
    CLUSTER_MAP as CLUSTER_MAP,
    HEARTBEAT as HEARTBEAT,
    JOIN as JOIN,
    REGISTER as REGISTER,
    STATUS as STATUS,
    VERIFY_DATABASE as VERIFY_DATABASE,
    VERIFY_GROUPS as VERIFY_GROUPS,
)
from cairnfs.wire.endpoints.directory import (
    LIST as LIST,
    OPEN as OPEN,
    OPEN_MANY as OPEN_MANY,
    STAT as STAT,
    WALK as WALK,
    XATTRS as XATTRS,
)
from cairnfs.wire.endpoints.fileserver import (
    FETCH_CHUNKS as FETCH_CHUNKS,
    FORWARD_CHUNKS as FORWARD_CHUNKS,
    GET_CHUNKS as GET_CHUNKS,
    INVENTORY as INVENTORY,
    PUT_CHUNKS as PUT_CHUNKS,
)
from cairnfs.wire.endpoints.history import (
    CHANGES as CHANGES,
    DIFF as DIFF,
    LOG as LOG,
    PAST as PAST,
)
from cairnfs.wire.endpoints.locks import (
    ACQUIRE_LOCK as ACQUIRE_LOCK,
    BEGIN_SESSION as BEGIN_SESSION,
    BREAK_LOCK as BREAK_LOCK,
    END_SESSION as END_SESSION,
    LIST_LOCKS as LIST_LOCKS,
    LOCK_EVENTS as LOCK_EVENTS,
    RELEASE_LOCKS as RELEASE_LOCKS,
    RENEW_LOCK as RENEW_LOCK,
    RENEW_SESSION as RENEW_SESSION,
    UPGRADE_LOCK as UPGRADE_LOCK,
    WAIT_LOCK as WAIT_LOCK,
)
from cairnfs.wire.endpoints.people import (
    CHANGE_USER as CHANGE_USER,
    CHANGE_USER_GROUP as CHANGE_USER_GROUP,
    CREATE_USER_GROUP as CREATE_USER_GROUP,
    INVITATION as INVITATION,
    LIST_INVITATIONS as LIST_INVITATIONS,
    LIST_USER_GROUPS as LIST_USER_GROUPS,
    LIST_USERS as LIST_USERS,
    REMOVE_USER_GROUP as REMOVE_USER_GROUP,
    REVOKE_INVITATION as REVOKE_INVITATION,
    SHOW_USER as SHOW_USER,
    SHOW_USER_GROUP as SHOW_USER_GROUP,
)
from cairnfs.wire.endpoints.search import (
    FIND as FIND,
    USAGE as USAGE,
)
from cairnfs.wire.endpoints.snapshots import (
    CREATE_SNAPSHOT as CREATE_SNAPSHOT,
    LIST_SNAPSHOTS as LIST_SNAPSHOTS,
    REMOVE_SNAPSHOT as REMOVE_SNAPSHOT,
    RETENTION as RETENTION,
    SET_RETENTION as SET_RETENTION,
)
from cairnfs.wire.endpoints.transactions import (
    BEGIN_TREE as BEGIN_TREE,
    COMMIT as COMMIT,
    COMMIT_MANY as COMMIT_MANY,
    COPY as COPY,
    DROP_TREE as DROP_TREE,
    EXTEND_TREE as EXTEND_TREE,
    SETTLE as SETTLE,
    STAGE as STAGE,
)

#: What the control plane serves.
CONTROL: tuple[Endpoint[Any, Any], ...] = (
    *auth.ENDPOINTS,
    *people.ENDPOINTS,
    *directory.ENDPOINTS,
    *search.ENDPOINTS,
    *history.ENDPOINTS,
    *snapshots.ENDPOINTS,
    *transactions.ENDPOINTS,
    *locks.ENDPOINTS,
    *cluster.ENDPOINTS,
)
#: What a fileserver serves.
FILESERVER: tuple[Endpoint[Any, Any], ...] = fileserver.ENDPOINTS
