"""`cairn publish` as people use it: a site that grows and shrinks, from a terminal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.people import Person

CONFLICT, USAGE, DIFFERENCE = 5, 2, 1


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "pages").mkdir(parents=True)
    (root / "empty").mkdir()
    for number in range(6):
        (root / "pages" / f"{number}.html").write_text(f"page {number}")
    (root / "index.html").write_text("hello")
    (root / "latest").symlink_to("pages/5.html")
    os.link(root / "index.html", root / "home.html")
    return root


def got(person: Person, remote: str, place: Path) -> Path:
    subprocess.run(["rm", "-rf", place], check=True)
    person.does("get", "-r", remote, str(place))
    return place


def same(left: Path, right: Path) -> bool:
    return subprocess.run(["diff", "-r", "--no-dereference", left, right], check=False).returncode == 0


def test_a_site_is_published_again_and_again(ann: Person, site: Path, tmp_path: Path) -> None:
    first = ann.does("publish", str(site), "/home/ann/www", "-m", "the first")
    assert "11 added (sent " in first.text
    assert ", commit " in first.text
    assert same(site, got(ann, "/home/ann/www", tmp_path / "got"))
    assert "the first" in ann.does("log", "/home/ann/www").text
    again = ann.does("publish", str(site), "/home/ann/www")
    assert ": nothing to do, equal as of commit " in again.text
    (site / "index.html").write_text("hello again")
    (site / "pages" / "0.html").unlink()
    (site / "pages" / "1.html").rename(site / "pages" / "one.html")
    os.chmod(site / "pages" / "2.html", 0o600)
    (site / "latest").unlink()
    (site / "latest").mkdir()
    told = ann.does("publish", "--dry-run", str(site), "/home/ann/www").text.splitlines()
    assert told[:-1] == [
        "~ home.html  11 B",
        "~ latest/",
        "- pages/0.html",
        "- pages/1.html",
        "m pages/2.html",
        "> pages/1.html -> pages/one.html",
    ]
    assert "would be one commit: 1 added, " in told[-1]
    assert not same(site, got(ann, "/home/ann/www", tmp_path / "got")), "a dry run changes nothing"
    done = ann.does("publish", "--json", str(site), "/home/ann/www").document
    assert (done["made"], done["added"], done["removed"], done["walked"]) == (True, 1, 2, False)
    assert done["sent_bytes"] <= len("hello again") + len("page 1")
    assert same(site, got(ann, "/home/ann/www", tmp_path / "got"))
    assert "0600" in ann.does("stat", "/home/ann/www/pages/2.html").text


def test_others_are_noticed_and_what_they_made_goes(ann: Person, site: Path, tmp_path: Path) -> None:
    ann.does("publish", str(site), "/home/ann/shared")
    ann.does("put", str(site / "index.html"), "/home/ann/shared/theirs")
    done = ann.does("publish", "--json", str(site), "/home/ann/shared").document
    assert (done["removed"], done["rounds"], done["walked"]) == (1, 2, True)
    assert same(site, got(ann, "/home/ann/shared", tmp_path / "got"))


def test_a_record_that_is_gone_costs_a_look_and_no_more(ann: Person, site: Path) -> None:
    ann.does("publish", str(site), "/home/ann/record")
    records = ann.home / ".local" / "state" / "cairn" / "records"
    for file in records.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        file.unlink()
    done = ann.does("publish", "--json", str(site), "/home/ann/record").document
    assert (done["made"], done["walked"], done["sent_bytes"]) == (False, True, 0)
    again = ann.does("publish", "--json", str(site), "/home/ann/record").document
    assert (again["made"], again["walked"]) == (False, False)


def test_there_and_back_by_one_record(ann: Person, site: Path) -> None:
    ann.does("publish", str(site), "/home/ann/both")
    ann.does("put", str(site / "index.html"), "/home/ann/both/theirs")
    ann.does("chmod", "600", "/home/ann/both/pages/0.html")
    ann.does("sync", "/home/ann/both", str(site))
    assert (site / "theirs").exists()
    done = ann.does("publish", "--json", str(site), "/home/ann/both").document
    assert (done["changed"], done["sent_bytes"], done["walked"]) == (1, 0, False), "a mode, and no more"
    assert "0644" in ann.does("stat", "/home/ann/both/pages/0.html").text
    assert not ann.does("publish", "--json", str(site), "/home/ann/both").document["made"]


def test_most_is_not_removed_unasked(ann: Person, site: Path, tmp_path: Path) -> None:
    ann.does("publish", str(site), "/home/ann/full")
    (tmp_path / "empty").mkdir()
    line = ann.fails(CONFLICT, "publish", str(tmp_path / "empty"), "/home/ann/full")
    assert line == (
        "cairn: /home/ann/full: 11 of the 11 names there would go "
        "(look at it with --dry-run; if it is meant, say --yes)"
    )
    assert len(ann.does("find", "/home/ann/full").text.splitlines()) == 12
    ann.does("publish", "--yes", str(tmp_path / "empty"), "/home/ann/full")
    assert len(ann.does("find", "/home/ann/full").text.splitlines()) == 1


def test_wrong_places_are_told(ann: Person, site: Path) -> None:
    assert ": no such file or directory" in ann.fails(3, "publish", "nowhere", "/home/ann/x").lower()
    assert "it is no directory" in ann.fails(CONFLICT, "publish", str(site / "index.html"), "/home/ann/x")
    ann.does("put", str(site / "index.html"), "/home/ann/file")
    assert "/home/ann/file: it is no directory" in ann.fails(CONFLICT, "publish", str(site), "/home/ann/file")
    assert ann.tries("publish", str(site), "/home/nobody/x").status == 4


def test_archive_keeps_times(ann: Person, site: Path) -> None:
    os.utime(site / "index.html", (1_000_000_000, 1_000_000_000))
    ann.does("publish", "-a", str(site), "/home/ann/times")
    shown = json.dumps(ann.does("stat", "--json", "/home/ann/times/index.html").document)
    assert "2001-09-09T01:46:40" in shown
    os.utime(site / "index.html", (1_000_000_001, 1_000_000_001))
    done = ann.does("publish", "-a", "--json", str(site), "/home/ann/times").document
    assert (done["made"], done["sent_bytes"]) == (True, 0), "only its time is other"


def test_quiet_and_verbose(ann: Person, site: Path) -> None:
    quiet = ann.does("publish", "-q", str(site), "/home/ann/quiet")
    assert (quiet.out, quiet.err) == (b"", "")
    assert ann.does("publish", "-v", str(site), "/home/ann/quiet").err == ""
