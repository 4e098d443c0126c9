"""Every verb against every relation of user and object: the table of `tests/permissions.txt`, proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from itertools import groupby
from unittest.mock import patch

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core import permissions
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import resolve
from cairnfs.testing.ledger import Ledger
from tests.permission_table import Case, cases, rows, told
from tests.unit.metadata.permission_world import VERBS, World


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


def differences(world: World, some: list[Case]) -> Iterator[tuple[Case, str]]:
    """The cases whose answer is not the one that is due."""
    for case, at in world.made(some):
        answer = world.answer(case, at)
        if answer != case.due:
            yield case, answer


def test_each_verb_of_the_table_is_asked_and_none_besides() -> None:
    verbs = [verb for verb, _ in groupby(row.verb for row in rows())]
    assert len(set(verbs)) == len(verbs)
    assert set(verbs) == VERBS


def test_the_table(world: World) -> None:
    some = cases()
    assert len(some) > 1300
    found = list(differences(world, some))
    assert not found, told(found)


def test_some_of_the_table_on_postgresql(postgres_dsn: str) -> None:
    some = [case for case in cases() if case.number % 4 == 0]
    with closing(PostgresDatabase(postgres_dsn, SystemClock())) as database:
        found = list(differences(World(Ledger(database)), some))
    assert not found, told(found)


def everything() -> AbstractContextManager[object]:
    """`allowed` says yes to all."""
    return patch.object(resolve, "allowed", lambda *_: True)


def no_groups() -> AbstractContextManager[object]:
    """Nobody is in any group."""
    return patch.object(Person, "is_in", lambda *_: False)


def owners_as_others() -> AbstractContextManager[object]:
    """Whoever has a right as one of the others has it as the owner too."""
    honest = permissions.allowed

    def kind(person: Person, owner: int, owner_group: int, mode: int, want: int) -> bool:
        return honest(person, owner, owner_group, mode, want) or mode & want == want

    return patch.object(resolve, "allowed", kind)


def no_walking() -> AbstractContextManager[object]:
    """Nobody asks for WALK on the way."""
    return patch.object(resolve._Walk, "_require_walk", lambda *_: None)


def any_state() -> AbstractContextManager[object]:
    """What the token says of a person is believed."""
    from cairnfs.metadata.people import People

    return patch.object(People, "now", lambda _, asker: asker)


BUGS: tuple[Callable[[], AbstractContextManager[object]], ...] = (
    everything, no_groups, owners_as_others, no_walking, any_state
)  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_the_table_finds(bug: Callable[[], AbstractContextManager[object]]) -> None:
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        world = World(Ledger(database))
        with bug():
            assert next(differences(world, cases()), None) is not None
