"""`cairn serve control` and `cairn serve fileserver`: one server process, in the foreground.

What belongs here: putting a process together and its life: its pid file first, then its data, then
the port, until SIGTERM or SIGINT. What does not: what it serves. This module is run without typer,
and each kind of server imports only what it needs: memory is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cairnfs.clock import SystemClock
from cairnfs.core.leases import LeaseTimes, Times
from cairnfs.errors import BadRequest
from cairnfs.local import administrator, pid_file, ports
from cairnfs.local.paths import CONTROL, ClusterPlaces, places

if TYPE_CHECKING:
    from cairnfs.fileserver.app import FileserverApp

DIRECTORY_VARIABLE, TOKEN_VARIABLE, LEASE_VARIABLE = "CAIRN_FILESERVER_DIR", "CAIRN_JOIN_TOKEN", "CAIRN_LEASE"
DEFAULT_PORT = 7070
_TOKEN_WITHIN_S, _TOKEN_POLL_S = 60.0, 0.02
_JOIN_TOKEN = "join-token"  # noqa: S105 -- the name of the file that holds one


def command() -> int:
    """Run one server process in the foreground: control or fileserver."""
    return main(["--help"])


def main(arguments: list[str]) -> int:
    """Run the server that the arguments describe until it is told to stop. Returns its exit status."""
    given = _parser().parse_args(arguments)
    _complete(given)
    _keep_rich_out()
    from cairnfs.net.logs import configure

    configure()
    held = pid_file.hold(given.pid_file) if given.pid_file is not None else None
    try:
        from cairnfs.net.loop import run

        serve: Callable[[argparse.Namespace], Coroutine[Any, Any, int]] = given.serve
        return run(serve(given))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cairnfs"):
            raise
        raise BadRequest(
            f"this install has no server part ({error.name} is missing)", hint="pip install 'cairnfs[server]'"
        ) from error
    finally:
        if held is not None:
            held.release()


def _keep_rich_out() -> None:
    """structlog looks for rich to print tracebacks in colour; a server has no use for 5 MB of that."""
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    import structlog  # noqa: F401

    del sys.modules["rich"]


# -- the two servers ---------------------------------------------------------------------------------


async def _control(given: argparse.Namespace) -> int:
    from cairnfs.control.app import Origin, build, has_admin, open_database
    from cairnfs.gateways.http.door import door
    from cairnfs.gateways.http.routing import RoutingTransport
    from cairnfs.net.http_transport import HttpTransport
    from cairnfs.net.inprocess import InProcessTransport
    from cairnfs.net.serving import Server
    from cairnfs.net.serving.server import is_loopback

    clock = SystemClock()
    cluster = ClusterPlaces(given.data)
    where = given.database or str(_database_file(cluster))
    database = await asyncio.to_thread(open_database, where, clock, origin=Origin(copies=given.replicas))
    first_admin = _first_admin_secret(cluster, has_admin(database))
    port = given.port or ports.any_free(given.host)
    origin = _origin(given, port)
    far, near = HttpTransport(), InProcessTransport()
    files = door(control=origin, transport=RoutingTransport({origin: near}, far), clock=clock)
    app = build(
        database,
        clock,
        open_signup=is_loopback(given.host),
        transport=far,
        first_admin_secret=first_admin,
        first_admin_made=lambda: cluster.first_admin.unlink(missing_ok=True),
        mounts={"/files": files},
        times=Times(sessions=given.lease),
    )
    near.apps[origin] = app.asgi
    server = Server(app.asgi, host=given.host, port=port, tls=_tls(given), insecure=given.insecure)
    stop = _stop_when_told()
    try:
        await server.start()
        await app.start()
        _say_ready(given)
        await server.serve_until(stop)
    finally:
        await server.stop()
        await files.close()
        await app.stop()
        await far.close()
        await asyncio.to_thread(database.close)
    return 0


def _database_file(cluster: ClusterPlaces) -> Path:
    file = cluster.directory(CONTROL) / "cairn.sqlite"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return file


def _first_admin_secret(cluster: ClusterPlaces, made: bool) -> str | None:
    """What the first administrator signs up with; in a file for whoever may read this directory."""
    if made:
        cluster.first_admin.unlink(missing_ok=True)
        return None
    kept = administrator.first_secret(cluster)
    if kept is None:
        kept = secrets.token_urlsafe(32)
        administrator.keep_secret(cluster.first_admin, kept)
    return kept


async def _fileserver(given: argparse.Namespace) -> int:
    from cairnfs.fileserver.app import FileserverApp
    from cairnfs.fileserver.join import Place
    from cairnfs.net.http_transport import HttpTransport
    from cairnfs.net.serving import Server

    directory: Path = given.dir
    await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
    token_file = directory / _JOIN_TOKEN
    port = given.port or ports.any_free(given.host)
    place = Place(directory, given.address or _origin(given, port), given.zone)
    transport = HttpTransport()
    app = FileserverApp(place, control=given.control, transport=transport, clock=SystemClock())
    server = Server(app.asgi, host=given.host, port=port, tls=_tls(given), insecure=given.insecure)
    stop = _stop_when_told()
    try:
        await server.start()
        if await _unless_stopped(_enter(app, given, token_file), stop):
            token_file.unlink(missing_ok=True)
            _say_ready(given)
            await server.serve_until(stop)
    finally:
        await server.stop()
        await app.stop()
        await transport.close()
    return 0


async def _enter(app: FileserverApp, given: argparse.Namespace, token_file: Path) -> None:
    """Join, where that was not done, and register."""
    clock = SystemClock()
    end = clock.monotonic() + (_TOKEN_WITHIN_S if given.await_token else 0.0)
    token = os.environ.pop(TOKEN_VARIABLE, None) or _read(token_file)
    while token is None and clock.monotonic() < end:
        await clock.sleep(_TOKEN_POLL_S)
        token = _read(token_file)
    await app.start(token)


def _read(file: Path) -> str | None:
    with suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8").strip()
    return None


# -- what both need ----------------------------------------------------------------------------------


async def _unless_stopped(start: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether `start` came to its end before the process was told to stop."""
    starting = asyncio.ensure_future(start)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            return not stop.is_set()
        return False
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


def _stop_when_told() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


def _say_ready(given: argparse.Namespace) -> None:
    """Whoever started this process may wait for this."""
    if given.ready_fd is not None:
        with suppress(OSError):
            os.write(given.ready_fd, b"ready\n")
            os.close(given.ready_fd)
        given.ready_fd = None


def _origin(given: argparse.Namespace, port: int) -> str:
    scheme = "https" if given.tls_certificate else "http"
    host = f"[{given.host}]" if ":" in given.host else given.host
    return f"{scheme}://{host}:{port}"


def _tls(given: argparse.Namespace) -> Any:
    if given.tls_certificate is None and given.tls_key is None:
        return None
    if given.tls_certificate is None or given.tls_key is None:
        raise BadRequest("TLS takes both --tls-certificate and --tls-key")
    from cairnfs.net.serving import TlsFiles

    return TlsFiles(given.tls_certificate, given.tls_key)


def _complete(given: argparse.Namespace) -> None:
    """What follows from the other arguments."""
    if given.kind == CONTROL:
        given.data = given.data or places().data
        given.pid_file = given.pid_file or ClusterPlaces(given.data).pid_file(CONTROL)
        given.lease = _lease(given.lease)
    elif given.dir is None:
        raise BadRequest("a fileserver needs a directory", hint=f"give --dir, or set {DIRECTORY_VARIABLE}")
    if not 0 <= given.port <= 65_535:
        raise BadRequest("--port takes 0 to 65535")


def _lease(written: str | None) -> LeaseTimes:
    """The times of leases as given, or by the variable; checked before anything is begun."""
    source = LEASE_VARIABLE if written is None else "--lease"
    named = os.environ.get(LEASE_VARIABLE, "") if written is None else written
    if written is None and not named:
        return LeaseTimes()
    try:
        return LeaseTimes.parse(named)
    except BadRequest as error:
        raise BadRequest(f"{source} {named}: {error.detail}", hint=error.hint) from error


# -- arguments ---------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Complains as every command does: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises BadRequest."""
        raise BadRequest(message, hint=f"see: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cairn serve", description="Run one server process in the foreground.")
    kinds = parser.add_subparsers(
        title="servers", dest="kind", metavar="KIND", required=True, parser_class=_Parser
    )
    control = kinds.add_parser(CONTROL, help="the control plane: names, versions, users, locks")
    control.add_argument(
        "--data", type=_path, metavar="DIR", help="the cluster's directory; see: cairn paths"
    )
    control.add_argument("--database", metavar="URL", help="postgresql://...; else SQLite below DIR")
    control.add_argument(
        "--replicas", type=int, default=3, metavar="N", help="copies of everything, for a new cluster (3)"
    )
    control.add_argument(
        "--lease",
        metavar="RENEW:SUSPEND:END",
        help=f"a client's lease, in milliseconds; else {LEASE_VARIABLE} ({LeaseTimes()})",
    )
    _add_serving(control, DEFAULT_PORT)
    control.set_defaults(serve=_control)
    fileserver = kinds.add_parser("fileserver", help="a fileserver: chunks below one directory")
    fileserver.add_argument(
        "--dir",
        type=_path,
        default=_path_of_variable(),
        metavar="DIR",
        help=f"where it keeps everything; else {DIRECTORY_VARIABLE}",
    )
    fileserver.add_argument("--control", required=True, metavar="URL", help="the control plane's address")
    fileserver.add_argument(
        "--address", metavar="URL", help="where others reach this server, if not at host:port"
    )
    fileserver.add_argument("--await-token", action="store_true", help=argparse.SUPPRESS)
    fileserver.add_argument("--zone", default="", metavar="NAME", help="what may fail together with it")
    _add_serving(fileserver, 0)
    fileserver.set_defaults(serve=_fileserver)
    return parser


def _add_serving(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=port, metavar="N", help=f"({port}; 0 takes a free one)")
    parser.add_argument("--tls-certificate", type=_path, metavar="FILE", help="PEM, with its chain")
    parser.add_argument("--tls-key", type=_path, metavar="FILE", help="PEM")
    parser.add_argument("--insecure", action="store_true", help="listen beyond this machine without TLS")
    parser.add_argument("--pid-file", type=_path, metavar="FILE", help="to name and lock while it serves")
    parser.add_argument("--ready-fd", type=int, metavar="N", help=argparse.SUPPRESS)


def _path(text: str) -> Path:
    return Path(text).absolute()


def _path_of_variable() -> Path | None:
    named = os.environ.get(DIRECTORY_VARIABLE)
    return _path(named) if named else None
