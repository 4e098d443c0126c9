"""Answers of chunk frames over a socket: pieces that lie in several buffers, whole or visibly broken."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import pytest

from cairnfs.errors import ChunkLost, OutcomeUnknown
from cairnfs.net.serving import Context, Pieces
from tests.unit.net.listening import calling, serving
from tests.unit.net.service import GIVE, OPEN, Ask, service

Row = Sequence[bytes | Sequence[bytes]]


def row(seed: int) -> Row:
    random_ = random.Random(seed)
    return [
        [random_.randbytes(size) for size in (37, 1_500_000, 37, 100_000)],
        random_.randbytes(10),
        [random_.randbytes(37), random_.randbytes(4096)],
        random_.randbytes(300_000),
        b"",
        [],
        [random_.randbytes(2)],
    ]


def flat(row: Row) -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else b"".join(piece) for piece in row)


@pytest.mark.parametrize("announced", [True, False])
async def test_pieces_of_every_size_arrive_as_they_were_given(announced: bool) -> None:
    async def give(context: Context, request: Ask) -> Pieces:
        given = row(request.times)

        async def pieces() -> AsyncIterator[bytes | Sequence[bytes]]:
            for piece in given:
                yield piece

        return Pieces(pieces(), len(flat(given)) if announced else None)

    async with serving(service(give=give)) as server, calling(server) as calls:
        for seed in range(3):
            async with await calls.stream(GIVE, Ask(text="", times=seed)) as response:
                assert await response.read(10_000_000) == flat(row(seed)), f"seed {seed}"
                assert ("content-length" in response.headers) is announced
        assert len(server.connections) == 1, "the connection serves again"


async def test_nothing_at_all_is_an_answer() -> None:
    async def give(context: Context, request: Ask) -> Pieces:
        async def pieces() -> AsyncIterator[bytes]:
            for nothing in list[bytes]():
                yield nothing

        return Pieces(pieces())

    async with serving(service(give=give)) as server, calling(server) as calls:
        async with await calls.stream(GIVE, Ask(text="")) as response:
            assert await response.read(10) == b""
        assert (await calls.call(OPEN)).text == "open"


@pytest.mark.loud
@pytest.mark.parametrize("announced", [None, 1000, 3000])
async def test_an_answer_that_breaks_off_or_has_another_length_is_never_taken_for_a_whole_one(
    announced: int | None,
) -> None:
    async def give(context: Context, request: Ask) -> Pieces:
        async def pieces() -> AsyncIterator[bytes]:
            yield bytes(2000)
            if announced is None:
                raise ChunkLost("rotten")

        return Pieces(pieces(), announced)

    async with serving(service(give=give)) as server, calling(server) as calls:
        with pytest.raises(OutcomeUnknown):
            async with await calls.stream(GIVE, Ask(text="")) as response:
                await response.read(10_000)
        assert (await calls.call(OPEN)).text == "open"
