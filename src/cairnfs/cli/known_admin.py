"""The administrator whom the first `up` made here, for commands of the user who may read its password."""

from __future__ import annotations

from cairnfs.cli.options import data_directory
from cairnfs.local import administrator, cluster_file
from cairnfs.local.paths import ClusterPlaces


def password_of(user: str, url: str, data: str | None) -> str | None:
    """Its password, if this is the user and the cluster that are meant, and it may be read."""
    here = ClusterPlaces(data_directory(data))
    try:
        cluster = cluster_file.load(here.cluster_file)
        known = administrator.load(here)
    except OSError:
        return None
    if cluster is None or known is None or (cluster.url, known.name) != (url, user):
        return None
    return known.password


def forget(data: str | None) -> None:
    """The password is another now, and only its owner knows it."""
    ClusterPlaces(data_directory(data)).administrator.unlink(missing_ok=True)
