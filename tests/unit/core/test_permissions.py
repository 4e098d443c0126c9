"""Who may do what, as POSIX decides it."""

from __future__ import annotations

import pytest

from cairnfs.core.permissions import (
    READ,
    STICKY,
    WALK,
    WRITE,
    Person,
    allowed,
    may_follow,
    may_link,
    may_take_away,
)
from cairnfs.ids import UserId

ANN = Person(UserId(1), "ann", "user")
BOB = Person(UserId(2), "bob", "user")
EVE = Person(UserId(3), "eve", "user")
ADMIN = Person(UserId(9), "root", "admin")
SERVER = Person(UserId(8), "fileserver:1", "fileserver")


@pytest.mark.parametrize(
    ("mode", "person", "want", "may"),
    [
        (0o700, ANN, READ | WRITE | WALK, True),
        (0o700, EVE, READ, False),
        (0o644, EVE, READ, True),
        (0o644, EVE, WRITE, False),
        (0o644, EVE, READ | WRITE, False),
        (0o640, BOB, READ, True),
        (0o640, BOB, WRITE, False),
        (0o640, EVE, READ, False),
        # The class that one is in decides, even where another would allow more.
        (0o077, ANN, READ, False),
        (0o707, BOB, READ, False),
        (0o707, EVE, READ, True),
        (0o000, ADMIN, READ | WRITE | WALK, True),
        (0o644, SERVER, READ, True),
        (0o600, SERVER, READ, False),
        (0o000, EVE, 0, True),
    ],
)
def test_one_class_of_bits_decides(mode: int, person: Person, want: int, may: bool) -> None:
    assert allowed(person, ANN.user_id, BOB.user_id, mode, want) is may


@pytest.mark.parametrize(
    ("mode", "person", "may"),
    [
        (0o777, EVE, True),
        (STICKY | 0o777, EVE, False),
        (STICKY | 0o777, BOB, True),
        (STICKY | 0o777, ANN, True),
        (STICKY | 0o777, ADMIN, True),
    ],
)
def test_in_a_sticky_directory_one_takes_away_what_is_ones_own(mode: int, person: Person, may: bool) -> None:
    assert may_take_away(person, ANN.user_id, mode, BOB.user_id) is may


@pytest.mark.parametrize(
    ("mode", "file", "person", "may"),
    [
        (0o000, True, ANN, True),
        (0o000, True, ADMIN, True),
        (0o666, True, EVE, True),
        (0o664, True, EVE, False),
        (0o662, True, EVE, False),
        (0o660, True, BOB, True),
        (0o606, True, BOB, False),
        (0o4777, True, EVE, False),  # it would run as its owner when she has mended it
        (0o2777, True, EVE, False),
        (0o2767, True, EVE, True),
        (0o777, False, EVE, False),
        (0o777, False, ANN, True),
    ],
)
def test_another_name_is_for_what_one_may_read_and_write(
    mode: int, file: bool, person: Person, may: bool
) -> None:
    assert may_link(person, ANN.user_id, BOB.user_id, mode, file=file) is may


@pytest.mark.parametrize(
    ("mode", "person", "may"),
    [
        (0o777, EVE, True),
        (STICKY | 0o775, EVE, True),
        (STICKY | 0o777, EVE, False),
        (STICKY | 0o777, ADMIN, False),
        (STICKY | 0o777, BOB, True),
    ],
)
def test_in_a_directory_for_all_nobody_is_led_astray(mode: int, person: Person, may: bool) -> None:
    assert may_follow(person, ANN.user_id, mode, BOB.user_id) is may
    assert may_follow(person, BOB.user_id, mode, BOB.user_id)
