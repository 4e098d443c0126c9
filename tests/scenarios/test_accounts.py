"""People: signing up, logging in and out, passwords, who may do what."""

from __future__ import annotations

import stat
from pathlib import Path

from cairnfs.local import administrator
from cairnfs.local.paths import ClusterPlaces
from tests.scenarios.people import PASSWORD, Person


def profile_of(person: Person) -> Path:
    return person.home / ".config" / "cairn" / "profile.toml"


def test_whoever_started_the_cluster_is_its_administrator(admin: Person) -> None:
    me = admin.does("whoami", "--json").document
    assert me["role"] == "admin"
    assert me["user"] in admin.does("whoami").text


def test_the_saved_login_is_for_its_owner_only(admin: Person) -> None:
    assert stat.S_IMODE(profile_of(admin).stat().st_mode) == 0o600
    assert stat.S_IMODE((admin.data / "admin.toml").stat().st_mode) == 0o600


def test_a_new_user_has_a_home(ann: Person) -> None:
    me = ann.does("whoami", "--json").document
    assert (me["user"], me["role"], me["home"]) == ("ann", "user", "/home/ann")
    assert ann.does("ls", "-ld", "/home/ann").text.split()[:4] == ["drwx------", "1", "ann", "ann"]


def test_a_password_comes_from_the_environment_or_standard_input(admin: Person) -> None:
    bob = admin.another("bob")
    assert bob.does("signup", "bob", "--password-stdin", given=b"bobs secret\n").text.startswith("signed up")
    bob.does("logout")
    bob.fails(4, "ls", "/home/bob")
    assert bob.does("login", "bob", CAIRN_PASSWORD="bobs secret").text.startswith(
        "logged in as bob at http://"
    )
    assert bob.does("ls", "/home/bob").text == ""


def test_a_wrong_password_is_refused_without_saying_which_half_is_wrong(ann: Person) -> None:
    stranger = ann.another("stranger")
    wrong = stranger.fails(4, "login", "ann", CAIRN_PASSWORD="wrong word")
    nobody = stranger.fails(4, "login", "nobody", CAIRN_PASSWORD="wrong word")
    assert wrong == nobody
    assert not profile_of(stranger).exists()


def test_there_is_nobody_to_ask_without_a_terminal(ann: Person) -> None:
    assert "--password-stdin" in ann.another("mute").fails(2, "login", "ann")


def test_a_name_is_taken_once(ann: Person) -> None:
    ann.another("ann2").fails(5, "signup", "ann", CAIRN_PASSWORD=PASSWORD)


def test_a_password_can_be_changed(admin: Person) -> None:
    carl = admin.signed_up("carl")
    carl.fails(4, "passwd", CAIRN_PASSWORD="wrong word", CAIRN_NEW_PASSWORD="another one")
    carl.does("passwd", "--password-stdin", given=f"{PASSWORD}\nanother one\n".encode())
    assert carl.does("whoami").text.startswith("carl")
    carl.fails(4, "login", CAIRN_PASSWORD=PASSWORD)
    carl.does("login", CAIRN_PASSWORD="another one")


def test_others_homes_are_closed(admin: Person, ann: Person) -> None:
    dora = admin.signed_up("dora")
    dora.fails(4, "ls", "/home/ann")
    dora.fails(4, "put", "-", "/home/ann/x", given=b"")
    dora.fails(4, "mkdir", "/x")
    dora.fails(4, "rm", "/Hello.txt")
    assert dora.does("cat", "/Hello.txt").out


def test_what_only_administrators_may(ann: Person) -> None:
    ann.fails(4, "verify")
    ann.fails(4, "invite")


def test_nobody_without_a_login(admin: Person) -> None:
    nobody = admin.another("nobody")
    for command in (["ls", "/"], ["whoami"], ["status"], ["verify"], ["put", "-", "/x"]):
        assert "log in" in nobody.fails(4, *command)


def test_a_damaged_login_is_mended_by_logging_in(admin: Person) -> None:
    zoe = admin.signed_up("zoe")
    kept = zoe.home / ".config" / "cairn" / "profile.toml"
    kept.write_text("no toml [")
    assert "log in anew: cairn login" in zoe.fails(2, "whoami")
    assert "say who" in zoe.fails(2, "login", CAIRN_PASSWORD=PASSWORD)
    zoe.does("login", "zoe", CAIRN_PASSWORD=PASSWORD)
    assert zoe.does("whoami").text.startswith("zoe ")


def test_a_token_of_somebody_else_is_refused(ann: Person) -> None:
    ann.fails(4, "ls", "/", CAIRN_TOKEN="forged.token.here")


def test_the_administrator_gets_back_in_without_a_question(admin: Person) -> None:
    name = admin.does("whoami", "--json").document["user"]
    again = admin.another("again")
    again.does("login", name)
    assert again.does("whoami", "--json").document["role"] == "admin"
    admin.does("login", name)


def test_a_new_administrators_password_is_known_to_its_owner_alone(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    known = administrator.load(ClusterPlaces(person.data))
    assert known is not None
    person.does("passwd", CAIRN_NEW_PASSWORD="my own word")
    assert not (person.data / "admin.toml").exists()
    person.fails(4, "login", CAIRN_PASSWORD=known.password)
    person.does("login", CAIRN_PASSWORD="my own word")
    person.does("up", "--detach", "--fileservers", "2")
    person.does("down")


def test_an_invitation_is_good_once(admin: Person) -> None:
    secret = admin.does("invite").text.strip()
    assert len(secret) > 20
    emil = admin.another("emil")
    emil.does("signup", "emil", CAIRN_PASSWORD=PASSWORD, CAIRN_INVITATION=secret)
