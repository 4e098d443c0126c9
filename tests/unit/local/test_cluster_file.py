"""cluster.toml: what is chosen once, used again, and what may be changed later."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from cairnfs.errors import BadRequest, Conflict
from cairnfs.local import cluster_file, members, ports
from cairnfs.local.cluster_file import ClusterFile, Member, Wish
from cairnfs.local.paths import ClusterPlaces

HERE = "127.0.0.1"


def some_cluster(**changes: object) -> ClusterFile:
    cluster = ClusterFile(
        host=HERE,
        replicas=2,
        control=Member("control", 7070),
        fileservers=[Member("fileserver-1", 7071), Member("fileserver-2", 7072)],
    )
    return msgspec.structs.replace(cluster, **changes)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cluster.toml"
    cluster_file.save(path, some_cluster(welcomed=True))
    assert cluster_file.load(path) == some_cluster(welcomed=True)
    assert [entry.name for entry in path.parent.iterdir()] == ["cluster.toml"]


def test_a_person_can_read_it(tmp_path: Path) -> None:
    cluster_file.save(tmp_path / "cluster.toml", some_cluster())
    text = (tmp_path / "cluster.toml").read_text()
    assert text.startswith("# ")
    assert '{ name = "fileserver-2", port = 7072 }' in text


def test_there_may_be_none(tmp_path: Path) -> None:
    assert cluster_file.load(tmp_path / "cluster.toml") is None


@pytest.mark.parametrize(
    "text", ["", "format = 1", "format = 2\n", "not toml", "format = 1\nhost = 7", "\udcff", "format = [1"]
)
def test_what_cannot_be_understood_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cluster.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadRequest) as caught:
        cluster_file.load(path)
    assert caught.value.path == str(path)


def test_a_new_cluster_has_three_fileservers_and_three_copies() -> None:
    chosen = cluster_file.choose(Wish(port=0))
    assert [member.name for member in chosen.fileservers] == ["fileserver-1", "fileserver-2", "fileserver-3"]
    assert chosen.replicas == 3
    assert chosen.host == HERE


def test_no_more_copies_than_fileservers_are_chosen() -> None:
    assert cluster_file.choose(Wish(port=0, fileservers=1)).replicas == 1
    assert cluster_file.choose(Wish(port=0, fileservers=5)).replicas == 3


def test_times_of_leases_are_kept_until_others_are_asked_for() -> None:
    assert cluster_file.choose(Wish(port=0, fileservers=1)).lease == ""
    chosen = cluster_file.choose(Wish(port=0, fileservers=1, lease="400:800:1200"))
    assert chosen.lease == "400:800:1200"
    assert cluster_file.revise(chosen, Wish()).lease == "400:800:1200"
    assert cluster_file.revise(chosen, Wish(lease="5000:10000:15000")).lease == "5000:10000:15000"


@pytest.mark.parametrize("lease", ["", "soon", "400:1200:800", "1:2:3"])
def test_times_that_break_the_rule_of_leases_are_refused(lease: str) -> None:
    with pytest.raises(BadRequest, match="--lease"):
        cluster_file.choose(Wish(port=0, lease=lease))
    with pytest.raises(BadRequest, match="--lease"):
        cluster_file.revise(some_cluster(), Wish(lease=lease))


def test_the_control_plane_alone_is_told_of_them() -> None:
    places = ClusterPlaces(Path("/nowhere"))
    cluster = some_cluster(lease="400:800:1200")
    told = members.serve_arguments(places, cluster, "control")
    assert told[told.index("--lease") + 1] == "400:800:1200"
    assert "--lease" not in members.serve_arguments(places, some_cluster(), "control")
    assert "--lease" not in members.serve_arguments(places, cluster, "fileserver-1")


def test_each_process_gets_a_port_of_its_own() -> None:
    chosen = cluster_file.choose(Wish(port=0))
    numbers = [member.port for member in chosen.members]
    assert numbers == sorted(set(numbers))


def test_a_fileserver_goes_round_a_taken_port() -> None:
    with socket.create_server((HERE, 0)) as listening:
        taken = int(listening.getsockname()[1])
        if not ports.is_free(HERE, taken - 1):
            pytest.skip("the port below is taken too")
        chosen = cluster_file.choose(Wish(port=taken - 1, fileservers=1))
    assert chosen.fileservers[0].port > taken


def test_a_taken_port_is_an_error_that_names_the_process() -> None:
    with socket.create_server((HERE, 0)) as listening:
        taken = int(listening.getsockname()[1])
        with pytest.raises(Conflict) as caught:
            cluster_file.choose(Wish(port=taken))
    assert f"port {taken}" in caught.value.detail
    assert f"process {os.getpid()}" in caught.value.detail
    assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    "wish",
    [
        Wish(port=0, fileservers=0),
        Wish(port=0, fileservers=65),
        Wish(port=0, replicas=0),
        Wish(port=0, replicas=8, fileservers=9),
        Wish(port=0, replicas=3, fileservers=2),
        Wish(port=-1),
        Wish(port=65_536),
    ],
)
def test_numbers_without_sense_are_refused(wish: Wish) -> None:
    with pytest.raises(BadRequest):
        cluster_file.choose(wish)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_without_sense_is_refused_later_too(port: int) -> None:
    with pytest.raises(BadRequest, match="0 to 65535"):
        cluster_file.revise(some_cluster(), Wish(port=port))


@pytest.mark.parametrize(
    ("wish", "hint"),
    [
        (Wish(port=0, host="192.0.2.7"), "--insecure"),
        (Wish(port=0, host="files.example"), "--insecure"),
        (Wish(port=0, host="0.0.0.0", insecure=True), "the one they use"),
        (Wish(port=0, host="::", insecure=True), "the one they use"),
    ],
)
def test_an_address_beyond_this_machine_is_a_decision(wish: Wish, hint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        cluster_file.choose(wish)
    assert hint in caught.value.hint
    with pytest.raises(BadRequest):
        cluster_file.revise(some_cluster(), wish)


def test_nothing_asked_changes_nothing() -> None:
    assert cluster_file.revise(some_cluster(), Wish()) == some_cluster()
    assert cluster_file.revise(some_cluster(), Wish(replicas=2, fileservers=2)) == some_cluster()


def test_the_number_of_copies_stays() -> None:
    with pytest.raises(Conflict, match="2 copies"):
        cluster_file.revise(some_cluster(), Wish(replicas=3))


def test_a_fileserver_cannot_be_taken_away_yet() -> None:
    with pytest.raises(Conflict, match="2 fileservers"):
        cluster_file.revise(some_cluster(), Wish(fileservers=1))


def test_fileservers_can_be_added() -> None:
    revised = cluster_file.revise(some_cluster(), Wish(fileservers=3))
    assert revised.fileservers[:2] == some_cluster().fileservers
    assert revised.fileservers[2].name == "fileserver-3"
    assert revised.fileservers[2].port > 7072


def test_the_port_can_move() -> None:
    revised = cluster_file.revise(some_cluster(), Wish(port=7000))
    assert revised.url == "http://127.0.0.1:7000"
    assert revised.fileservers == some_cluster().fileservers


def test_the_address_can_move() -> None:
    revised = cluster_file.revise(some_cluster(), Wish(host="192.0.2.7", insecure=True))
    assert revised.url == "http://192.0.2.7:7070"
    assert revised.insecure


def test_an_address_of_the_sixth_version_stands_in_brackets() -> None:
    assert some_cluster(host="::1").url == "http://[::1]:7070"
