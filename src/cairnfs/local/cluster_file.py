"""`cluster.toml`: what was chosen once for a cluster on this machine, and is used at every start.

What belongs here: the file's shape, reading and writing it, choosing ports. What does not: whether
anything runs (`processes.py`). Written whole and atomically; whoever changes it holds the starting lock.
"""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from cairnfs.client.local import small_files
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import BadRequest, Conflict
from cairnfs.local import ports
from cairnfs.local.paths import CONTROL, fileserver

FORMAT = 1
DEFAULT_PORT = 7070
DEFAULT_FILESERVERS = 3
DEFAULT_REPLICAS = 3
FILESERVERS_MAX = 64
REPLICAS_MAX = 7
PORT_MAX = 65_535
LOOPBACK = "127.0.0.1"
_HEADER = b"# Cairn wrote this: what `cairn up` chose for this cluster and uses at every start.\n"


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One process and the port that is its own."""

    name: str
    port: int


class ClusterFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. `welcomed`: /Hello.txt was written, so whoever removes it keeps it removed.

    `lease`: the times of clients' leases, as `LeaseTimes` reads them; empty: as they are by themselves.
    """

    format: int = FORMAT
    host: str
    insecure: bool = False
    replicas: int
    welcomed: bool = False
    lease: str = ""
    control: Member
    fileservers: list[Member]

    @property
    def url(self) -> str:
        """Where the control plane serves."""
        return self.address(self.control)

    def address(self, member: Member) -> str:
        """Where this process serves."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{member.port}"

    @property
    def members(self) -> list[Member]:
        """Every process, the control plane first."""
        return [self.control, *self.fileservers]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the user of `up` asked for; None where nothing was said."""

    host: str | None = None
    port: int | None = None
    fileservers: int | None = None
    replicas: int | None = None
    insecure: bool = False
    lease: str | None = None


def load(path: Path) -> ClusterFile | None:
    """Read the file; None if there is none. Raises BadRequest if it cannot be understood."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found: dict[str, Any] = tomllib.loads(text.decode())
        if found.get("format") != FORMAT:
            raise BadRequest(
                f"its format is {found.get('format')!r}, this Cairn knows {FORMAT}",
                path=str(path),
                hint="use the version of Cairn that wrote it",
            )
        return msgspec.convert(found, ClusterFile)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadRequest(f"cannot be read: {error}", path=str(path), hint="correct or restore it") from error


def save(path: Path, cluster: ClusterFile) -> None:
    """Write the file whole; it is on disk when this returns."""
    import tomli_w

    text = tomli_w.dumps(msgspec.to_builtins(cluster)).encode()
    small_files.replace(path, _HEADER + b"\n" + text, mode=0o644)


def choose(wish: Wish) -> ClusterFile:
    """A new cluster as wished. Raises Conflict where a port asked for is taken, BadRequest on bad numbers."""
    host = wish.host or LOOPBACK
    count = DEFAULT_FILESERVERS if wish.fileservers is None else wish.fileservers
    replicas = min(DEFAULT_REPLICAS, count) if wish.replicas is None else wish.replicas
    _check_numbers(count, replicas)
    _check_host(host, insecure=wish.insecure)
    _check_port(wish.port)
    port = DEFAULT_PORT if wish.port is None else wish.port
    if port == 0:
        port = ports.any_free(host)
    require_free(host, port, CONTROL)
    cluster = ClusterFile(
        host=host,
        insecure=wish.insecure,
        replicas=replicas,
        lease=_lease(wish),
        control=Member(CONTROL, port),
        fileservers=[],
    )
    return _with_fileservers(cluster, count)


def revise(cluster: ClusterFile, wish: Wish) -> ClusterFile:
    """The cluster with what was newly asked for. Raises Conflict where that is not possible yet."""
    if wish.replicas is not None and wish.replicas != cluster.replicas:
        raise Conflict(
            f"this cluster keeps {cluster.replicas} copies of everything, and that cannot be changed yet",
            hint="leave out --replicas, or begin a new cluster with --data",
        )
    _check_port(wish.port)
    count = len(cluster.fileservers)
    if wish.fileservers is not None and wish.fileservers < count:
        raise Conflict(
            f"this cluster has {count} fileservers, and none can be taken away yet",
            hint="leave out --fileservers",
        )
    revised = msgspec.structs.replace(
        cluster,
        host=wish.host or cluster.host,
        insecure=wish.insecure or cluster.insecure,
        control=Member(CONTROL, wish.port or cluster.control.port),
        lease=cluster.lease if wish.lease is None else _lease(wish),
    )
    _check_host(revised.host, insecure=revised.insecure)
    if wish.fileservers is not None and wish.fileservers > count:
        _check_numbers(wish.fileservers, cluster.replicas)
        revised = _with_fileservers(revised, wish.fileservers)
    return revised


def require_free(host: str, port: int, process: str) -> None:
    """Raises Conflict naming the process that has the port."""
    if not ports.is_free(host, port):
        hint = "stop it, or choose another: cairn up --port N" if process == CONTROL else "stop it first"
        raise Conflict(
            f"port {port}, which {process} is to serve at, is taken by {ports.taker(port)}", hint=hint
        )


def _with_fileservers(cluster: ClusterFile, count: int) -> ClusterFile:
    """Gives each new fileserver the next port above that is free."""
    members = list(cluster.fileservers)
    port = max(member.port for member in cluster.members)
    while len(members) < count:
        port += 1
        if port > PORT_MAX:
            raise Conflict("no free port is left above the control plane's", hint="choose a lower --port")
        if ports.is_free(cluster.host, port):
            members.append(Member(fileserver(len(members) + 1), port))
    return msgspec.structs.replace(cluster, fileservers=members)


def _check_host(host: str, *, insecure: bool) -> None:
    """Where to listen is also what the others are told, so it has to be one address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        loopback, everywhere = host == "localhost", False
    else:
        loopback, everywhere = address.is_loopback, address.is_unspecified
    if everywhere:
        raise BadRequest(
            f"--host {host} is no address that others can be told",
            hint="give the one they use",
        )
    if not loopback and not insecure:
        raise BadRequest(
            f"without TLS, anyone on the way to {host} could read tokens and files",
            hint="in a network you trust, give --insecure",
        )


def _lease(wish: Wish) -> str:
    """Raises BadRequest for times that a client and the cluster could not both keep."""
    if wish.lease is None:
        return ""
    try:
        return str(LeaseTimes.parse(wish.lease))
    except BadRequest as error:
        raise BadRequest(f"--lease {wish.lease}: {error.detail}", hint=error.hint) from error


def _check_port(port: int | None) -> None:
    if port is not None and not 0 <= port <= PORT_MAX:
        raise BadRequest(f"--port takes 0 to {PORT_MAX}")


def _check_numbers(fileservers: int, replicas: int) -> None:
    if not 1 <= fileservers <= FILESERVERS_MAX:
        raise BadRequest(f"--fileservers takes 1 to {FILESERVERS_MAX}")
    if not 1 <= replicas <= REPLICAS_MAX:
        raise BadRequest(f"--replicas takes 1 to {REPLICAS_MAX}")
    if replicas > fileservers:
        raise BadRequest(f"{replicas} copies need {replicas} fileservers, and there are to be {fileservers}")
