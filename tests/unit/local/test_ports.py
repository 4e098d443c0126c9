"""Which ports are free, and who has the others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnfs.errors import Conflict
from cairnfs.local import ports

HERE = "127.0.0.1"
LISTENER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HERE, 0)) as listening:
        yield listening


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def test_a_port_with_a_listener_is_taken(listener: socket.socket) -> None:
    assert not ports.is_free(HERE, port_of(listener))


def test_a_port_is_free_again_when_the_listener_is_gone(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    assert ports.is_free(HERE, port)


def test_a_listener_answers(listener: socket.socket) -> None:
    port = port_of(listener)
    assert ports.answers(HERE, port)
    listener.close()
    assert not ports.answers(HERE, port)


def test_any_port_is_a_free_one() -> None:
    assert ports.is_free(HERE, ports.any_free(HERE))


def test_an_outgoing_connection_takes_a_port_even_after_its_end(listener: socket.socket) -> None:
    calling = socket.create_connection(listener.getsockname())
    port = port_of(calling)
    answering, _ = listener.accept()
    assert not ports.is_free(HERE, port)
    calling.close()
    answering.close()
    assert not ports.is_free(HERE, port), "else any_free could choose among all"


def test_no_outgoing_connection_takes_a_servers_port() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    chosen = {ports.any_free(HERE) for _ in range(20)}
    assert not chosen & set(range(first, last + 1))
    assert len(chosen) > 10


@pytest.mark.parametrize("told", ["1024\t65535\n", "", "nothing"])
def test_where_there_is_no_such_port_any_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str
) -> None:
    place = tmp_path / "sys" / "net" / "ipv4"
    place.mkdir(parents=True)
    (place / "ip_local_port_range").write_text(told)
    monkeypatch.setattr(ports, "_PROC", tmp_path)
    assert ports.is_free(HERE, ports.any_free(HERE))


def test_the_taker_is_named(listener: socket.socket) -> None:
    found = ports.taker(port_of(listener))
    assert f"process {os.getpid()} (" in found
    assert "python" in found


def test_the_taker_is_found_in_another_process() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert f"process {other.pid}" in ports.taker(port)
        other.kill()


def test_a_long_command_is_cut_and_harmless_to_a_terminal() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, "\x1b[31m" + "x" * 200],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        words = ports.taker(int(other.stdout.readline()))
        other.kill()
    assert "\x1b" not in words
    assert "\n" not in words
    assert len(words) < 110


def test_nobody_can_be_named_where_nobody_is() -> None:
    assert ports.taker(ports.any_free(HERE)) == "another process"


@pytest.mark.parametrize(
    ("host", "port", "complaint"),
    [("192.0.2.7", 0, "not an address of this machine"), ("no such host", 1, "no such host")],
)
def test_an_impossible_address_is_an_error_of_its_own(host: str, port: int, complaint: str) -> None:
    with pytest.raises(Conflict, match=complaint):
        ports.is_free(host, port)
