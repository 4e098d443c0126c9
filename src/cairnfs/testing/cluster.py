"""A whole cluster inside one process: control plane, fileservers, clients, no sockets.

    async with cluster(fileservers=3) as here:
        files = await here.user("ann")
        await files.write_file("/home/ann/a", b"hello")
        await here.kill(0)
        assert await files.read_file("/home/ann/a") == b"hello"

What belongs here: the real applications on a real database and real (or flaky) disks, joined by the
in-process transport, under any clock; and what may happen to them as a whole: start, stop, kill, cut off.
What does not: faults of single messages (`transport.py`) or disk operations (`disk.py`), both of which
can be put in. One event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cairnfs.client import connecting, credentials
from cairnfs.client.filesystem import Filesystem
from cairnfs.clock import Clock, SystemClock
from cairnfs.control.app import ControlApp, Cost, Origin, build, open_database
from cairnfs.core.leases import Times
from cairnfs.fileserver.app import FileserverApp
from cairnfs.fileserver.disk import Disk
from cairnfs.fileserver.join import Place
from cairnfs.fileserver.store import Options
from cairnfs.gateways.http.door import Door, door
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.transport import Transport
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeRequest

CONTROL = "http://control:7070"
ADMIN = "admin"
PASSWORD = "correct horse"  # noqa: S105 -- of every user in a cluster that lives for one test
#: Argon2 at its least: what it costs is tested where it belongs.
CHEAP = Cost(passes=1, memory_kib=8, threads=1)
SMALL = Options(segment_bytes=4 * 1024 * 1024, reserve_bytes=64 * 1024, min_free_bytes=64 * 1024)

_STEP_S, _REAL_S = 0.1, 0.002

#: Puts something (faults, counters) between a party and the network. Parties: "control", "door",
#: "fileserver-1" and so on, "client".
Wrap = Callable[[Transport, str], Transport]


@dataclass(slots=True)
class Fileserver:
    """One fileserver's place; `app` is None while it does not run."""

    name: str
    origin: str
    directory: Path
    disk: Disk | None = None
    app: FileserverApp | None = None


class Cluster:
    """A cluster; made by `cluster`. `network.apps` says who can be reached at which origin.

    The control plane (at the origin `CONTROL`) has the HTTP door at /files.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        database: str,
        copies: int,
        wrap: Wrap,
        options: Options,
        mounts: Mapping[str, ASGIApp],
        times: Times | None,
    ) -> None:
        self.clock = clock
        self.network = InProcessTransport(clock=clock)
        self.fileservers: list[Fileserver] = []
        self._directory = directory
        self._wrap = wrap
        self._options = options
        self._mounts = mounts
        self._times = times
        self._secret = secrets.token_urlsafe(16)
        self._database = open_database(database, clock, origin=Origin(copies=copies))
        self._control: ControlApp | None = None
        self._door: Door | None = None
        self._admin: Filesystem | None = None
        self._clients: list[Filesystem] = []
        self._users: set[str] = set()

    @property
    def control(self) -> ControlApp:
        """The control plane, while it runs."""
        assert self._control is not None, "the control plane does not run"
        return self._control

    # -- the control plane -------------------------------------------------------------------------

    async def start_control(self) -> None:
        """Start the control plane on the database that it had."""
        self._door = door(control=CONTROL, transport=self._wrap(self.network, "door"), clock=self.clock)
        self._control = await asyncio.to_thread(
            build,
            self._database,
            self.clock,
            open_signup=True,
            transport=self._wrap(self.network, "control"),
            first_admin_secret=self._secret,
            mounts={"/files": self._door, **self._mounts},
            password_cost=CHEAP,
            times=self._times,
        )
        self.network.apps[CONTROL] = self._control.asgi
        await self._control.start()

    async def stop_control(self) -> None:
        """Stop the control plane: nobody reaches it, what it had begun is finished."""
        self.network.apps.pop(CONTROL, None)
        control, self._control = self.control, None
        if self._door is not None:
            await self._door.close()
        await control.stop()

    # -- fileservers -------------------------------------------------------------------------------

    async def add_fileserver(self, disk: Disk | None = None) -> Fileserver:
        """A new fileserver, joined and registered."""
        name = f"fileserver-{len(self.fileservers) + 1}"
        directory = self._directory / name
        await asyncio.to_thread(directory.mkdir)
        made = Fileserver(name, f"http://{name}:7071", directory, disk)
        self.fileservers.append(made)
        admin = (await self.admin()).connection.control
        token = await admin.ask(endpoints.JOIN_TOKEN, OneTimeRequest())
        await self._start(made, token.secret)
        return made

    async def start(self, number: int) -> None:
        """Start a fileserver again on the directory that it had; `number` counts from 0."""
        await self._start(self.fileservers[number], None)

    async def _start(self, which: Fileserver, join_token: str | None) -> None:
        assert which.app is None, f"{which.name} runs already"
        which.app = FileserverApp(
            Place(which.directory, which.origin),
            control=CONTROL,
            transport=self._wrap(self.network, which.name),
            clock=self.clock,
            disk=which.disk,
            options=self._options,
        )
        self.network.apps[which.origin] = which.app.asgi
        await which.app.start(join_token)

    async def kill(self, number: int) -> None:
        """A fileserver is gone between two requests: nobody reaches it, its heartbeat ends.

        Its files are closed in order, since the process lives on; deaths between two disk operations are
        what `FlakyDisk` is for.
        """
        which = self.fileservers[number]
        self.cut_off(number)
        app, which.app = which.app, None
        if app is not None:
            await app.stop(drain_s=0.0)

    def cut_off(self, number: int) -> None:
        """A fileserver runs, but nobody reaches it. (It reaches the others: give a `wrap` to change that.)"""
        self.network.apps.pop(self.fileservers[number].origin, None)

    def reconnect(self, number: int) -> None:
        """It can be reached again."""
        which = self.fileservers[number]
        assert which.app is not None
        self.network.apps[which.origin] = which.app.asgi

    # -- people ------------------------------------------------------------------------------------

    async def admin(self) -> Filesystem:
        """The client of the first administrator, who may do everything; the same at each call."""
        if self._admin is None:
            self._admin = await self._person(ADMIN, invitation=self._secret)
        return self._admin

    async def user(self, name: str) -> Filesystem:
        """A new client of the user of this name, who is signed up if need be and owns /home/NAME."""
        return await self._person(name, invitation=None)

    async def _person(self, name: str, invitation: str | None) -> Filesystem:
        transport = self._wrap(self.network, "client")
        if name not in self._users:
            self._users.add(name)
            await credentials.signup(self.network, CONTROL, self.clock, name, PASSWORD, invitation)
        client = await connecting.connect(
            url=CONTROL, user=name, password=PASSWORD, clock=self.clock, transport=transport
        )
        self._clients.append(client)
        return client

    # -- time --------------------------------------------------------------------------------------

    async def run(self, seconds: float) -> None:
        """Let so many seconds pass. A clock moved by hand leaves threads some real time at each step."""
        if not isinstance(self.clock, ManualClock):
            await self.clock.sleep(seconds)
            return
        end = self.clock.monotonic() + seconds
        while (left_s := end - self.clock.monotonic()) > 1e-9:
            await self.clock.run(min(_STEP_S, left_s))
            await SystemClock().sleep(_REAL_S)

    async def until(self, condition: Callable[[], Awaitable[bool]], *, limit_s: float = 120.0) -> None:
        """Let time pass until the condition holds. Raises TimeoutError after `limit_s` of the clock."""
        end = self.clock.monotonic() + limit_s
        while not await condition():
            if self.clock.monotonic() > end:
                raise TimeoutError(f"after {limit_s:g} s it still does not hold")
            await self.run(_STEP_S)

    async def stop(self) -> None:
        """End everything, clients first."""
        for client in self._clients:
            await client.close()
        for number in range(len(self.fileservers)):
            await self.kill(number)
        if self._control is not None:
            await self.stop_control()
        await self.network.close()
        await asyncio.to_thread(self._database.close)


@asynccontextmanager
async def cluster(
    *,
    fileservers: int = 3,
    copies: int | None = None,
    clock: Clock | None = None,
    database: str = ":memory:",
    directory: Path | None = None,
    disks: Mapping[int, Disk] | None = None,
    wrap: Wrap = lambda transport, party: transport,
    options: Options = SMALL,
    mounts: Mapping[str, ASGIApp] | None = None,
    times: Times | None = None,
) -> AsyncIterator[Cluster]:
    """A running cluster, with an administrator and so many fileservers.

    `copies`: as many as there are fileservers, at most three, unless told otherwise. `database`: what
    `open_database` takes. `directory`: where the fileservers keep theirs, else a temporary one.
    `disks`: other disks for some of them, by number from 0. `wrap`: see `Wrap`. `times`: those of leases.
    """
    place = directory or Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="cairn-cluster-"))
    made = await asyncio.to_thread(
        lambda: Cluster(
            place,
            clock or SystemClock(),
            database=database,
            copies=copies or max(1, min(3, fileservers)),
            wrap=wrap,
            options=options,
            mounts=mounts or {},
            times=times,
        )
    )
    try:
        await made.start_control()
        await made.admin()
        for number in range(fileservers):
            await made.add_fileserver((disks or {}).get(number))
        yield made
    finally:
        await made.stop()
        if directory is None:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
