"""Where Cairn's files lie, for root and for others, with and without the XDG variables."""

from __future__ import annotations

from pathlib import Path

from cairnfs.local.paths import ClusterPlaces, places

HOME = {"HOME": "/home/ann"}


def test_a_user_without_variables_has_the_usual_directories() -> None:
    found = places(HOME, uid=1000)
    assert found.data == Path("/home/ann/.local/share/cairn")
    assert found.config == Path("/home/ann/.config/cairn")
    assert found.state == Path("/home/ann/.local/state/cairn")
    assert found.cache == Path("/home/ann/.cache/cairn")
    assert found.runtime == found.state


def test_every_variable_is_respected() -> None:
    variables = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    found = places(HOME | {name: f"/x/{name.lower()}" for name in variables}, uid=1000)
    assert found.data == Path("/x/xdg_data_home/cairn")
    assert found.config == Path("/x/xdg_config_home/cairn")
    assert found.state == Path("/x/xdg_state_home/cairn")
    assert found.cache == Path("/x/xdg_cache_home/cairn")
    assert found.runtime == Path("/x/xdg_runtime_dir/cairn")


def test_a_relative_path_in_a_variable_does_not_count() -> None:
    assert places(HOME | {"XDG_DATA_HOME": "share"}, uid=1000).data == Path("/home/ann/.local/share/cairn")


def test_an_empty_variable_does_not_count() -> None:
    assert places(HOME | {"XDG_CONFIG_HOME": ""}, uid=1000).config == Path("/home/ann/.config/cairn")


def test_roots_data_are_the_systems() -> None:
    assert places({"HOME": "/root"}, uid=0).data == Path("/var/lib/cairn")
    assert places({"HOME": "/root", "XDG_DATA_HOME": "/x"}, uid=0).data == Path("/var/lib/cairn")


def test_the_data_directory_can_be_named_outright() -> None:
    for uid in (0, 1000):
        assert places(HOME | {"CAIRN_DATA": "/srv/tree"}, uid=uid).data == Path("/srv/tree")


def test_a_cluster_keeps_everything_below_its_directory() -> None:
    cluster = ClusterPlaces(Path("/srv/tree"))
    assert cluster.pid_file("fileserver-1") == Path("/srv/tree/run/fileserver-1.pid")
    assert cluster.log("control") == Path("/srv/tree/log/control.log")
    assert cluster.cluster_file == Path("/srv/tree/cluster.toml")
    assert cluster.join_token("fileserver-2") == Path("/srv/tree/fileserver-2/join-token")
