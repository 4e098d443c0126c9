"""The cluster: its map, its fileservers, its state and verification."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import cluster, verification
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

CLUSTER_MAP = Endpoint(
    "cluster_map",
    "cluster",
    "GET",
    "/v1/map",
    Empty,
    cluster.ClusterMap,
    "user",
    "Groups, their members and where these are",
)
STATUS = Endpoint(
    "status", "cluster", "GET", "/v1/status", Empty, cluster.StatusReply, "user", "The cluster for people"
)
JOIN = Endpoint(
    "join",
    "cluster",
    "POST",
    "/v1/fileservers",
    cluster.JoinRequest,
    cluster.JoinReply,
    "anyone",
    "A new fileserver joins",
    (e.JoinRefused,),
)
REGISTER = Endpoint(
    "register",
    "cluster",
    "POST",
    "/v1/fileservers/{fileserver}/register",
    cluster.RegisterRequest,
    cluster.HeartbeatReply,
    "fileserver",
    "A known fileserver starts again",
    (e.NotFound, e.ForeignCluster),
)
HEARTBEAT = Endpoint(
    "heartbeat",
    "cluster",
    "POST",
    "/v1/fileservers/{fileserver}/heartbeat",
    cluster.HeartbeatRequest,
    cluster.HeartbeatReply,
    "fileserver",
    "A fileserver is alive",
    (e.NotFound, e.Conflict),
)
VERIFY_DATABASE = Endpoint(
    "verify_database",
    "cluster",
    "POST",
    "/v1/verify/database",
    Empty,
    verification.VerifyDatabaseReply,
    "admin",
    "Check every invariant of the database",
)
VERIFY_GROUPS = Endpoint(
    "verify_groups",
    "cluster",
    "POST",
    "/v1/verify/groups",
    verification.VerifyGroupsRequest,
    verification.VerifyGroupsReply,
    "admin",
    "Compare groups with the fileservers' inventories",
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    CLUSTER_MAP,
    STATUS,
    JOIN,
    REGISTER,
    HEARTBEAT,
    VERIFY_DATABASE,
    VERIFY_GROUPS,
)
