"""Users, user groups and invitations from the command line."""

from __future__ import annotations

from tests.scenarios.people import PASSWORD, Person


def name_of(person: Person) -> str:
    name: str = person.does("whoami", "--json").document["user"]
    return name


def test_a_user_group_lives_and_ends(admin: Person) -> None:
    lea, max_ = admin.signed_up("lea"), admin.signed_up("max")
    assert admin.does("group", "create", "crew", "lea").text == "made crew, with 1 member\n"
    assert lea.does("whoami").text.startswith("lea (user), in crew, home /home/lea")
    assert lea.does("whoami", "--json").document["user_groups"] == ["crew"]
    assert admin.does("group", "add", "crew", "max", "lea").text == "crew, with 2 members\n"
    assert max_.does("group", "show", "crew").text == "lea\nmax\n"
    assert max_.does("group", "show", "crew", "--json").document["members"] == ["lea", "max"]
    assert "crew" in max_.does("group", "list").text
    assert admin.does("group", "drop", "crew", "lea").text == "crew, with 1 member\n"
    assert [
        (one["user_group"], one["members"])
        for one in lea.does("group", "list", "--json").document["user_groups"]
    ] == [("crew", 1)]
    assert admin.does("group", "remove", "crew").text.startswith("removed crew; what belonged to it shows #")
    assert "no user group is called crew" in admin.fails(3, "group", "show", "crew")


def test_names_are_taken_once_and_have_a_form(admin: Person) -> None:
    admin.signed_up("nina")
    admin.fails(5, "group", "create", "nina")
    admin.does("group", "create", "team")
    admin.fails(5, "group", "create", "team")
    admin.another("team").fails(5, "signup", "team", CAIRN_PASSWORD=PASSWORD)
    admin.fails(2, "group", "create", "The Team")
    admin.fails(3, "group", "add", "team", "nobody-here")
    admin.fails(3, "group", "add", "nina", "nina")
    admin.fails(2, "group", "add", "team")


def test_users_are_listed_and_shown_without_secrets(admin: Person, ann: Person) -> None:
    root = name_of(admin)
    listed = ann.does("user", "list", "--json").document["users"]
    assert {"ann", root} <= {one["user"] for one in listed}
    assert set(listed[0]) == {
        "user",
        "user_id",
        "role",
        "state",
        "user_groups",
        "home",
        "created_at",
    }
    lines = ann.does("user", "list").text.splitlines()
    assert any(line.split()[:3] == ["ann", "user", "active"] for line in lines)
    shown = dict(line.split(maxsplit=1) for line in ann.does("user", "show", root).text.splitlines())
    assert (shown["role"], shown["state"], shown["home"]) == ("admin", "active", f"/home/{root}")
    ann.fails(3, "user", "show", "nobody-here")


def test_whoever_is_disabled_is_out_until_they_are_enabled(admin: Person) -> None:
    omar = admin.signed_up("omar")
    assert admin.does("user", "disable", "omar").text == "omar is disabled\n"
    for command in (["ls", "/home/omar"], ["whoami"], ["put", "-", "/home/omar/x"], ["status"]):
        omar.fails(4, *command, given=b"")
    assert "disabled" in omar.fails(4, "login", "omar", CAIRN_PASSWORD=PASSWORD)
    assert admin.does("user", "show", "omar", "--json").document["state"] == "disabled"
    admin.does("user", "enable", "omar")
    omar.does("login", "omar", CAIRN_PASSWORD=PASSWORD)
    assert omar.does("whoami").text.startswith("omar")


def test_whoever_is_removed_leaves_their_files(admin: Person) -> None:
    pia = admin.signed_up("pia")
    pia.does("put", "-", "/home/pia/x", given=b"hers")
    told = admin.does("user", "remove", "pia").text
    number = told.strip().rpartition("#")[2]
    assert number.isdigit()
    pia.fails(4, "cat", "/home/pia/x")
    pia.fails(4, "login", "pia", CAIRN_PASSWORD=PASSWORD)
    assert f"#{number}" in admin.does("ls", "-ld", "/home/pia").text
    assert admin.does("cat", "/home/pia/x").out == b"hers"
    assert "cairn mv" in admin.another("pia2").fails(5, "signup", "pia", CAIRN_PASSWORD=PASSWORD)
    admin.does("mv", "/home/pia", f"/home/former-{number}")
    admin.another("pia2").does("signup", "pia", CAIRN_PASSWORD=PASSWORD)


def test_a_role_counts_at_once_and_the_last_administrator_stays(admin: Person) -> None:
    root, quinn = name_of(admin), admin.signed_up("quinn")
    quinn.fails(4, "verify")
    assert admin.does("user", "role", "quinn", "admin").text == "quinn has the role admin\n"
    quinn.does("verify")
    assert admin.does("user", "role", "quinn", "user").text == "quinn has the role user\n"
    quinn.fails(4, "verify")
    quinn.fails(4, "user", "role", "quinn", "admin")
    for verb in (["role", root, "user"], ["disable", root], ["remove", root]):
        assert "last active administrator" in admin.fails(5, "user", *verb)
    admin.fails(2, "user", "role", "quinn", "king")
    admin.fails(3, "user", "role", "nobody-here", "admin")


def test_an_invitation_grants_a_role_and_user_groups(admin: Person) -> None:
    admin.does("group", "create", "guests")
    made = admin.does(
        "invite", "--admin", "--group", "guests", "--note", "for Rita", "--ttl", "2h", "--json"
    ).document
    listed = admin.does("invite", "--list", "--json").document["invitations"]
    mine = next(one for one in listed if one["id"] == made["id"])
    assert (mine["purpose"], mine["role"], mine["user_groups"], mine["note"], mine["issuer"]) == (
        "person",
        "admin",
        ["guests"],
        "for Rita",
        name_of(admin),
    )
    text = admin.does("invite", "--list")
    assert made["secret"] not in text.text + str(listed)
    assert any(
        line.startswith(made["id"]) and "admin,guests" in line and line.endswith("for Rita")
        for line in text.text.splitlines()
    )
    rita = admin.another("rita")
    rita.does("signup", "rita", CAIRN_PASSWORD=PASSWORD, CAIRN_INVITATION=made["secret"])
    me = rita.does("whoami", "--json").document
    assert (me["role"], me["user_groups"]) == ("admin", ["guests"])
    admin.does("user", "remove", "rita")


def test_an_invitation_can_be_revoked_and_ends_with_its_issuers_rights(admin: Person) -> None:
    secret = admin.does("invite", "--json").document
    assert admin.does("invite", "--revoke", secret["id"]).text == f"revoked {secret['id']}\n"
    admin.fails(3, "invite", "--revoke", secret["id"])
    uma = admin.another("uma")
    uma.fails(4, "signup", "uma", CAIRN_PASSWORD=PASSWORD, CAIRN_INVITATION=secret["secret"])
    tom = admin.signed_up("tom")
    admin.does("user", "role", "tom", "admin")
    secret = tom.does("invite", "--admin").text.strip()
    admin.does("user", "role", "tom", "user")
    uma.fails(4, "signup", "uma", CAIRN_PASSWORD=PASSWORD, CAIRN_INVITATION=secret)


def test_only_administrators_change_people(ann: Person) -> None:
    for command in (
        ["group", "create", "mine"],
        ["group", "add", "team", "ann"],
        ["group", "remove", "team"],
        ["user", "role", "ann", "admin"],
        ["user", "disable", "ann"],
        ["user", "remove", "ann"],
        ["invite", "--list"],
        ["invite", "--revoke", "00000000"],
    ):
        assert "administrators" in ann.fails(4, *command)
