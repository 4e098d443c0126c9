"""What people and user groups can be called, and who governs."""

from __future__ import annotations

import pytest

from cairnfs.core.accounts import check_name, is_name, may_govern, removed_name
from cairnfs.core.permissions import Person
from cairnfs.errors import BadName
from cairnfs.ids import UserId


@pytest.mark.parametrize("name", ["a", "0", "ann-b.c_d", "a" * 32])
def test_names(name: str) -> None:
    assert is_name(name)
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "Ann", "-a", ".a", "a" * 33, "a b", "a/b", "ü", "a\n", "a\0", "#1", "x:1"]
)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(BadName, match="user group"):
        check_name(name, "user group")


def test_nobody_can_be_called_as_the_removed_are() -> None:
    assert removed_name(17) == "#17"
    assert not is_name(removed_name(17))


def test_administrators_govern() -> None:
    roles = {role: may_govern(Person(UserId(1), "x", role)) for role in ("user", "admin", "fileserver")}
    assert roles == {"user": False, "admin": True, "fileserver": False}
