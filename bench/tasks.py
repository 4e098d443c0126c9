"""What a client does with Cairn: each is a task of a worker, through the Python client as shipped.

One client per worker process, made at the first task from the profile that the environment names.
What does not belong here: which tasks run together and what is made of the times (`scenarios/`).
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blake3 import blake3

import cairnfs
from bench import content
from bench.bursts import Burst, burst, parse
from cairnfs.client import profile

if TYPE_CHECKING:
    from cairnfs.client.sync import Client

_SMALL_BYTES = 4096
_open: list[Client] = []


def client() -> Client:
    """This process's client."""
    if not _open:
        _open.append(cairnfs.connect())
    return _open[0]


def close() -> None:
    """End its session."""
    while _open:
        _open.pop().close()


def enrol(data: str, port: int) -> None:
    """Become the first administrator of a cluster that was started without `cairn up`."""
    from cairnfs.local import cluster_file, enrolment
    from cairnfs.local.paths import ClusterPlaces

    chosen = cluster_file.ClusterFile(
        host="127.0.0.1", replicas=1, control=cluster_file.Member("control", port), fileservers=[]
    )
    enrolment.enrol(ClusterPlaces(Path(data)), chosen, lambda _: None)


def connect() -> None:
    """Connect and ask once, so that no burst pays for it."""
    client().stat("/")


def mkdir(path: str) -> None:
    """Make a directory and what is missing above it."""
    client().mkdir(path, parents=True)


def write(directory: str, prefix: str, seconds: float, most: int, start_at: float) -> dict[str, object]:
    """New files of 4 KiB each, one commit each."""
    cairn = client()

    def write_one(index: int) -> None:
        cairn.write_file(f"{directory}/{prefix}{index}", os.urandom(_SMALL_BYTES))

    return burst(write_one, seconds=seconds, most=most, start_at=start_at).reply()


def write_by_threads(
    directory: str, threads: int, seconds: float, most: int, start_at: float
) -> dict[str, object]:
    """The same by threads of one client, at once."""
    with ThreadPoolExecutor(threads) as pool:
        given = [(directory, f"{thread}-", seconds, most, start_at) for thread in range(threads)]
        bursts = [parse(reply) for reply in pool.map(lambda one: write(*one), given)]
    return Burst(
        min(each.began for each in bursts),
        max(each.ended for each in bursts),
        [time_us for each in bursts for time_us in each.times_us],
        sum(each.units for each in bursts),
    ).reply()


def read(directory: str, names: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Whole files, one after the other, round and round."""
    cairn = client()

    def read_one(index: int) -> None:
        found = cairn.read_file(f"{directory}/{names[index % len(names)]}")
        assert len(found) == _SMALL_BYTES

    return burst(read_one, seconds=seconds, most=1_000_000, start_at=start_at).reply()


def stat(directory: str, names: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Attributes, one path a request."""
    cairn = client()
    return burst(
        lambda index: cairn.stat(f"{directory}/{names[index % len(names)]}"),
        seconds=seconds,
        most=1_000_000,
        start_at=start_at,
    ).reply()


def names(directory: str) -> list[str]:
    """The names in a directory."""
    return [entry.raw_name().decode() for entry in client().list(directory)]


def list_whole(directory: str, count: int, seconds: float, start_at: float) -> dict[str, object]:
    """The whole directory with its entries' attributes, again and again. Entries as units."""
    cairn = client()

    def list_one(_: int) -> None:
        assert sum(1 for _ in cairn.list(directory)) == count

    listed = burst(list_one, seconds=seconds, most=1_000, start_at=start_at)
    return Burst(listed.began, listed.ended, listed.times_us, len(listed.times_us) * count).reply()


def rename(directory: str, names: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Files get new names, one commit each; round after round, so that few files suffice."""
    cairn = client()

    def rename_one(index: int) -> None:
        turn, which = divmod(index, len(names))
        old, new = ((f"{names[which]}.{turn - 1}" if turn else names[which]), f"{names[which]}.{turn}")
        cairn.rename(f"{directory}/{old}", f"{directory}/{new}")

    return burst(rename_one, seconds=seconds, most=1_000_000, start_at=start_at).reply()


def remove(directory: str, names: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Files are removed, one commit each, until none is left."""
    cairn = client()
    return burst(
        lambda index: cairn.remove(f"{directory}/{names[index]}"),
        seconds=seconds,
        most=len(names),
        start_at=start_at,
    ).reply()


def make_tree(local: str, prefix: str, count: int, size: int) -> None:
    """A local directory of files with distinct content, to be put."""
    Path(local).mkdir(parents=True)
    for index in range(count):
        Path(local, f"{prefix}{index:06d}").write_bytes(os.urandom(size))


def put_tree(local: str, remote: str) -> dict[str, object]:
    """Put a local directory. Files as units."""
    began = time.monotonic()
    put = client().put_tree(local, remote)
    return Burst(began, time.monotonic(), [], put.files).reply()


def publish(local: str, remote: str) -> dict[str, object]:
    """Make a directory exactly the local one, in one commit. Files as units."""
    began = time.monotonic()
    done = client().publish(local, remote)
    return Burst(began, time.monotonic(), [], done.added + done.changed).reply()


def write_until(directory: str, stop: str, seconds: float) -> dict[str, object]:
    """Single small files until the file `stop` is there: what another client's commits take meanwhile."""
    cairn = client()
    times: list[float] = []
    began = before = time.monotonic()
    while not Path(stop).exists() and before - began < seconds:
        cairn.write_file(f"{directory}/{len(times)}", os.urandom(_SMALL_BYTES))
        now = time.monotonic()
        times.append((now - before) * 1e6)
        before = now
    return Burst(began, before, times, len(times)).reply()


def write_large(path: str, seed: int, size: int) -> dict[str, object]:
    """One large file from a stream. MB as units."""
    began = time.monotonic()
    client().write_file(path, content.pieces(seed, size))
    return Burst(began, time.monotonic(), [], size / 1e6).reply()


def read_large(path: str, size: int) -> dict[str, object]:
    """One large file as a stream. MB as units."""
    cairn = client()
    began = time.monotonic()
    assert sum(len(piece) for piece in cairn.read_stream(path)) == size
    return Burst(began, time.monotonic(), [], size / 1e6).reply()


def check_large(path: str, seed: int, size: int) -> None:
    """Compare a file with what was written."""
    assert _digest(client().read_stream(path)) == _digest(content.pieces(seed, size)), (
        "what came back differs"
    )


def http_headers() -> dict[str, str]:
    """What a plain HTTP client sends to be let in as this user."""
    client().whoami()
    kept = profile.load_token()
    assert kept is not None, "no access token beside the profile"
    return {"Authorization": f"Bearer {kept.token}"}


def http_put(url: str, headers: dict[str, str], seed: int, size: int) -> dict[str, object]:
    """PUT a stream of known length to the HTTP door. MB as units."""
    began = time.monotonic()
    connection, target = _connection(url)
    try:
        sent = {**headers, "Content-Length": str(size)}
        connection.request("PUT", target, content.pieces(seed, size), sent)
        _taken(connection.getresponse())
    finally:
        connection.close()
    return Burst(began, time.monotonic(), [], size / 1e6).reply()


def http_get(url: str, headers: dict[str, str], seed: int, size: int) -> dict[str, object]:
    """GET it back in pieces, and compare. MB as units."""
    began = time.monotonic()
    connection, target = _connection(url)
    try:
        connection.request("GET", target, headers=headers)
        answer = _taken(connection.getresponse(), read=False)
        found = blake3()
        while piece := answer.read(content.PIECE):
            found.update(piece)
    finally:
        connection.close()
    ended = time.monotonic()
    assert found.digest() == _digest(content.pieces(seed, size)), "what came back differs"
    return Burst(began, ended, [], size / 1e6).reply()


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.netloc, timeout=120, blocksize=256 * 1024), parts.path


def _taken(answer: http.client.HTTPResponse, *, read: bool = True) -> http.client.HTTPResponse:
    if answer.status >= 300:
        raise OSError(f"HTTP {answer.status}: {answer.read(500)!r}")
    if read:
        answer.read()
    return answer


def _digest(parts: Iterable[bytes]) -> bytes:
    found = blake3()
    for part in parts:
        found.update(part)
    return found.digest()


TASKS: dict[str, Callable[..., object]] = {
    "enrol": enrol,
    "connect": connect,
    "mkdir": mkdir,
    "write": write,
    "write_by_threads": write_by_threads,
    "read": read,
    "stat": stat,
    "names": names,
    "list": list_whole,
    "rename": rename,
    "remove": remove,
    "make_tree": make_tree,
    "put_tree": put_tree,
    "publish": publish,
    "write_until": write_until,
    "write_large": write_large,
    "read_large": read_large,
    "check_large": check_large,
    "http_headers": http_headers,
    "http_put": http_put,
    "http_get": http_get,
}
