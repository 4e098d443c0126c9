"""TCP ports of this machine: which are free, and who has the one that is not.

Who listens is read from /proc, so only Linux names the process; elsewhere it is "another process".
What does not belong here: which port a process should have (`cluster_file.py`). Any thread.
"""

from __future__ import annotations

import errno
import os
import random
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cairnfs.errors import Conflict

_LISTEN = "0A"
_PROC = Path("/proc")
_COMMAND_CHARS = 72
_ANSWER_S = 2.0
#: Below are the ports of well-known services; the systems' own range for outgoing connections begins
#: at 32,768 (Linux) or 49,152.
_CHOSEN_FROM = 10_000
_FIRST_OUTGOING = 32_768
_TRIES = 64

_random = random.SystemRandom()


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises Conflict where the host is not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise Conflict(f"no such host: {host}", hint="give an address of this machine") from error
    with socket.socket(family, kind, protocol) as probe:
        # As servers do: connections that linger after a restart do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if isinstance(error, PermissionError):
                raise Conflict(
                    f"port {port} is for the system only", hint="choose one from 1024 on: --port"
                ) from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise Conflict(f"{host} is not an address of this machine", hint="see: ip address") from error
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False


def any_free(host: str) -> int:
    """A port that is free now and will be so after a restart too.

    Not one of those that the system gives to outgoing connections, if that can be helped: such a
    connection would keep a stopped server from coming back, for a minute after its end too.
    """
    below = _first_outgoing()
    for _ in range(_TRIES):
        port = _random.randrange(_CHOSEN_FROM, below) if below > _CHOSEN_FROM else 0
        if port and is_free(host, port):
            return port
    return _given(host)


def _first_outgoing() -> int:
    """The lowest port that an outgoing connection may be given."""
    try:
        return int((_PROC / "sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _FIRST_OUTGOING


def _given(host: str) -> int:
    """A port that the system just gave and that is free again."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.bind(address)
        return int(probe.getsockname()[1])


def taker(port: int) -> str:
    """The process that has this port, in words for people."""
    sockets = sorted(_sockets(port))
    for _, inode, _ in sockets:
        if pid := _owner(inode):
            return _described(pid)
    if sockets:
        return f"a process of user {_user_name(sockets[0][2])}"
    return "another process"


def _sockets(port: int) -> Iterator[tuple[bool, int, int]]:
    """(it does not listen, inode, user id) of each socket that has the port."""
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            for line in (_PROC / table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
                    yield fields[3] != _LISTEN, int(fields[9]), int(fields[7])


def _owner(inode: int) -> int | None:
    wanted = f"socket:[{inode}]"
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with suppress(OSError), os.scandir(process / "fd") as descriptors:
                if any(os.readlink(entry) == wanted for entry in descriptors):
                    return int(process.name)
    return None


def _described(pid: int) -> str:
    command = ""
    with suppress(OSError):
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    command = re.sub(r"[^ -~]", "?", command.strip())
    if len(command) > _COMMAND_CHARS:
        command = command[: _COMMAND_CHARS - 3] + "..."
    return f"process {pid} ({command})" if command else f"process {pid}"


def _user_name(uid: int) -> str:
    import pwd  # not on Windows, where there is no /proc either

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
