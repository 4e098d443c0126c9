"""Passwords: the length rule, the right one and no other, the same work whether there is a user or not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cairnfs.control.auth.passwords import Cost, Passwords
from cairnfs.errors import BadRequest, Busy

CHEAP = Cost(passes=1, memory_kib=8, threads=2, waiting_max=2)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAP)
    yield made
    made.close()


async def test_the_right_password_and_no_other(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsE")
    assert not await passwords.verify(stored, "")


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


@pytest.mark.parametrize("password", ["", "1234567", "é" * 3, "x" * 1025, "é" * 513])
async def test_a_length_that_is_not_allowed(passwords: Passwords, password: str) -> None:
    with pytest.raises(BadRequest, match="8 to 1024 bytes"):
        await passwords.hash(password)


@pytest.mark.parametrize("password", ["12345678", "é" * 4, "x" * 1024, "\0" * 8])
async def test_a_length_that_is_allowed(passwords: Passwords, password: str) -> None:
    assert await passwords.verify(await passwords.hash(password), password)


async def test_no_user_costs_the_same_work_and_never_matches(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    matches = passwords._matches

    def watched(stored: str, password: str) -> bool:
        judged.append(stored)
        return matches(stored, password)

    monkeypatch.setattr(passwords, "_matches", watched)
    real = await passwords.hash("correct horse")
    for stored in (real, None, ""):
        assert not await passwords.verify(stored, "wrong password")
    assert not await passwords.verify(None, "no password has this hash")
    assert len(judged) == 4
    parameters = {stored.rsplit("$", 2)[0] for stored in judged}
    assert parameters == {"$argon2id$v=19$m=8,t=1,p=1"}


async def test_a_stored_text_that_is_no_hash_never_matches(passwords: Passwords) -> None:
    assert not await passwords.verify("!", "correct horse")


async def test_more_at_once_than_may_wait_are_refused(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    running, most = 0, 0
    lock = threading.Lock()

    def slow(*_: Any) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert gate.wait(30)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(passwords, "_matches", slow)
    waiting = [asyncio.ensure_future(passwords.verify("h", "p")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await passwords.verify("h", "p")
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 4
    assert most == CHEAP.threads
    assert await passwords.verify("h", "p")
