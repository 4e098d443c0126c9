"""Where chunks go: golden vectors, fair shares, and little movement."""

from __future__ import annotations

from collections import Counter

import pytest

from cairnfs.core import placement
from cairnfs.ids import GROUPS, FileserverId, GroupId, Hash

ALL = [GroupId(group) for group in range(GROUPS)]


def servers(count: int) -> dict[FileserverId, float]:
    return {FileserverId(one): 1.0 for one in range(1, count + 1)}


@pytest.mark.parametrize(
    ("start", "group"),
    [("0000", 0), ("003f", 0), ("0040", 1), ("00ff", 3), ("0100", 4), ("ffc0", 1023), ("ffff", 1023)],
)
def test_a_group_is_the_first_ten_bits(start: str, group: int) -> None:
    assert placement.group_of(Hash(bytes.fromhex(start) + bytes(30))) == group


def test_bounds_hold_exactly_the_group() -> None:
    for group in ALL:
        low, high = placement.group_bounds(group)
        assert placement.group_of(Hash(low)) == group
        last = (int.from_bytes(high or b"\1" + bytes(32)) - 1).to_bytes(32)
        assert placement.group_of(Hash(last)) == group
        assert (high is None) == (group == GROUPS - 1)


def test_members_never_change_by_themselves() -> None:
    chosen = [placement.members(GroupId(group), servers(5), 3) for group in (0, 1, 2, 1023)]
    assert chosen == [(1, 3, 5), (2, 5, 3), (5, 2, 1), (1, 3, 2)]


def test_members_are_different_servers_and_as_many_as_there_are() -> None:
    for group in ALL:
        assert len(set(placement.members(group, servers(5), 3))) == 3
        assert sorted(placement.members(group, servers(2), 3)) == [1, 2]
    assert placement.members(GroupId(0), {}, 3) == ()


def test_everybody_gets_a_fair_share() -> None:
    primaries = Counter(placement.members(group, servers(4), 2)[0] for group in ALL)
    assert all(200 < count < 320 for count in primaries.values()), primaries


def test_weights_count() -> None:
    weights = {FileserverId(1): 1.0, FileserverId(2): 3.0}
    first = sum(placement.members(group, weights, 1) == (2,) for group in ALL)
    assert 0.7 < first / GROUPS < 0.8


def test_a_new_server_moves_only_its_share() -> None:
    moved = 0
    for group in ALL:
        before, after = placement.members(group, servers(4), 2), placement.members(group, servers(5), 2)
        assert set(after) - set(before) <= {5}
        moved += 5 in after
    assert 0.33 < moved / GROUPS < 0.47


@pytest.mark.parametrize(
    ("copies", "majority", "every"), [(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 3, 4), (5, 3, 5), (7, 4, 7)]
)
def test_what_durable_means(copies: int, majority: int, every: int) -> None:
    assert placement.required(copies, "majority") == majority
    assert placement.required(copies, "all") == every
    assert placement.required(copies, "async") == 1


def test_reads_go_to_secondaries_first() -> None:
    group = [FileserverId(one) for one in (3, 1, 2)]
    assert placement.read_order(group, seed=0) == [1, 2, 3]
    assert placement.read_order(group, seed=1) == [2, 1, 3]
    assert placement.read_order(group[:1], seed=7) == [3]
    assert [placement.first_reader(group, Hash(bytes([0, 0, byte]))) for byte in (0, 1, 2)] == [1, 2, 1]
