"""Only what changed of a file is sent, through a whole cluster, with the real chunker."""

from __future__ import annotations

import io
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints
from cairnfs.wire.verification import VerifyGroupsRequest

MIB = 1024 * 1024
HOME = "/home/ann"


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    """With one fileserver: of several, one may lag, and then the same is sent once more."""
    async with cluster(fileservers=1) as made:
        yield made
        admin = await made.admin()
        assert (await admin.ask(endpoints.VERIFY_DATABASE)).findings == []
        deep = await admin.ask(endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=0, last=1023, deep=True))
        assert deep.findings == []


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    return await here.user("ann")


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """What comes once and can never be read again."""
    for at in range(0, len(content), MIB):
        yield content[at : at + MIB]


async def test_a_byte_in_the_middle_and_some_at_the_start_of_256_mib(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    content = bytearray(b"".join(dice.randbytes(16 * MIB) for _ in range(16)))
    local = tmp_path / "long"
    local.write_bytes(content)
    async with cluster(fileservers=1) as alone:
        files = await alone.user("ann")
        first = await files.put_file(local, f"{HOME}/long")
        assert first.sent_bytes == 256 * MIB
        content[128 * MIB] ^= 1
        local.write_bytes(content)
        assert (await files.put_file(local, f"{HOME}/long")).sent_bytes < 4 * MIB
        with local.open("wb") as stream:
            stream.write(b"something new that comes first")
            stream.write(content)
        inserted = await files.put_file(local, f"{HOME}/long")
        assert 0 < inserted.sent_bytes < 8 * MIB
        again = await files.put_file(local, f"{HOME}/long")
        assert (again.sent_bytes, again.bytes) == (0, local.stat().st_size)
        back = await files.get_file(f"{HOME}/long", tmp_path / "back")
        assert back.bytes == again.bytes
        assert (tmp_path / "back").read_bytes() == local.read_bytes()


@pytest.mark.parametrize("way", ["bytes", "file", "pipe"])
async def test_however_the_content_comes(files: Filesystem, seed: int, way: str) -> None:
    content = bytearray(random.Random(seed).randbytes(24 * MIB))
    await files.write_file(f"{HOME}/f", bytes(content))
    content[12 * MIB] ^= 1
    data = {"bytes": bytes(content), "file": io.BytesIO(content), "pipe": pieces(bytes(content))}[way]
    written = await files.write_file(f"{HOME}/f", data)  # type: ignore[arg-type]
    assert 0 < written.sent_bytes < 8 * MIB
    assert await files.read_file(f"{HOME}/f") == content


@pytest.mark.parametrize("way", ["bytes", "pipe"])
async def test_what_is_not_certain_is_sent_after_all(
    here: Cluster, files: Filesystem, seed: int, way: str
) -> None:
    content = bytearray(random.Random(seed).randbytes(24 * MIB))
    await files.write_file(f"{HOME}/f", bytes(content))
    await here.kill(0)
    await here.start(0)
    content[12 * MIB] ^= 1
    data = bytes(content) if way == "bytes" else pieces(bytes(content))
    written = await files.write_file(f"{HOME}/f", data)
    assert 0 < written.sent_bytes <= 2 * len(content)
    assert await files.read_file(f"{HOME}/f") == content


async def test_what_may_not_be_read_is_no_base(here: Cluster, files: Filesystem, seed: int) -> None:
    content = random.Random(seed).randbytes(8 * MIB)
    await files.write_file(f"{HOME}/f", content)
    await files.chmod(f"{HOME}/f", 0o222)
    bob = await here.user("bob")
    await files.chmod(HOME, 0o777)
    written = await bob.write_file(f"{HOME}/f", content)
    assert written.sent_bytes == len(content)
    # Whose it is may not read it either.
    assert (await files.write_file(f"{HOME}/f", content)).sent_bytes == len(content)
    await files.chmod(f"{HOME}/f", 0o600)
    assert (await files.write_file(f"{HOME}/f", content)).sent_bytes == 0


async def test_another_version_meanwhile_costs_no_more_than_sending(
    here: Cluster, files: Filesystem, seed: int
) -> None:
    content = random.Random(seed).randbytes(24 * MIB)
    await files.write_file(f"{HOME}/f", content)
    other = await here.user("ann")

    async def slowly() -> AsyncIterator[bytes]:
        yield content[: 16 * MIB]
        await other.write_file(f"{HOME}/f", b"somebody else's")
        yield content[16 * MIB :]

    written = await files.write_file(f"{HOME}/f", slowly())
    assert written.sent_bytes <= len(content)
    assert await files.read_file(f"{HOME}/f") == content
