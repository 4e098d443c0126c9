"""The first administrator's password is kept where only its owner reads it."""

from __future__ import annotations

import getpass
import stat
from pathlib import Path

import pytest

from cairnfs.errors import BadRequest
from cairnfs.local import administrator
from cairnfs.local.paths import ClusterPlaces


def test_the_administrator_is_named_after_the_systems_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user, name in {
        "ann": "ann",
        "Ann.Smith": "annsmith",
        "_apt": "apt",
        "Ä": "admin",
        "a" * 99: "a" * 32,
    }.items():
        monkeypatch.setattr(getpass, "getuser", lambda user=user: user)
        assert administrator.invent(ClusterPlaces(tmp_path)).name == name


def test_it_is_read_back_and_nobody_else_may(tmp_path: Path) -> None:
    places = ClusterPlaces(tmp_path)
    assert administrator.load(places) is None
    made = administrator.invent(places)
    assert administrator.load(places) == made
    assert stat.S_IMODE(places.administrator.stat().st_mode) == 0o600


def test_repr_hides_the_password(tmp_path: Path) -> None:
    made = administrator.invent(ClusterPlaces(tmp_path))
    assert made.password not in repr(made)


def test_passwords_are_not_repeated(tmp_path: Path) -> None:
    places = ClusterPlaces(tmp_path)
    assert administrator.invent(places).password != administrator.invent(places).password


def test_a_file_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    places = ClusterPlaces(tmp_path)
    places.administrator.write_text("name = 7\n")
    with pytest.raises(BadRequest) as caught:
        administrator.load(places)
    assert caught.value.path == str(places.administrator)
