"""Who may do what, through every door: the table of `tests/permissions.txt`, for people who signed up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
import pytest_asyncio

from cairnfs.client import connecting, credentials
from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.people import People
from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError
from cairnfs.local import cluster_file
from cairnfs.local.paths import ClusterPlaces
from cairnfs.net.transport import Request
from cairnfs.testing.cluster import CONTROL, PASSWORD, Cluster, cluster
from cairnfs.wire import endpoints
from cairnfs.wire.commits import Attributes, MakeDirectory
from cairnfs.wire.problems import Problem
from tests.permission_table import (
    ADMIN,
    FORBIDDEN,
    KEEPER,
    MEMBER,
    MEMBERS,
    OTHER,
    OWNER,
    SHUT_OUT,
    TOP,
    UNAUTHENTICATED,
    Case,
    cases,
    told,
    world,
)
from tests.scenarios.people import Person
from tests.scenarios.permission_doors import CLI, CLIENT, DOOR

DISABLED = SHUT_OUT[0]
#: By hand. What is for users is for administrators and fileservers too.
ENDPOINTS = """
GET /v1/auth/keys                                anyone
POST /v1/auth/signup                             anyone
POST /v1/auth/login                              anyone
POST /v1/auth/refresh                            anyone
POST /v1/auth/logout                             anyone
POST /v1/auth/password                           user
GET /v1/auth/whoami                              user
POST /v1/auth/join-tokens                        admin
POST /v1/users/list                              user
POST /v1/users/show                              user
POST /v1/users/change                            admin
POST /v1/user-groups/list                        user
POST /v1/user-groups/show                        user
POST /v1/user-groups/create                      admin
POST /v1/user-groups/change                      admin
POST /v1/user-groups/remove                      admin
POST /v1/auth/invitations                        admin
POST /v1/auth/invitations/list                   admin
POST /v1/auth/invitations/revoke                 admin
POST /v1/stat                                    user
POST /v1/list                                    user
POST /v1/walk                                    user
POST /v1/open                                    user
POST /v1/open-many                               user
POST /v1/xattrs                                  user
POST /v1/find                                    user
POST /v1/du                                      user
POST /v1/log                                     user
POST /v1/history                                 user
POST /v1/diff                                    user
GET /v1/changes                                  user
POST /v1/snapshots                               user
POST /v1/snapshots/list                          user
POST /v1/snapshots/remove                        user
GET /v1/retention                                user
POST /v1/retention                               admin
POST /v1/commits                                 user
POST /v1/commits/many                            user
POST /v1/commits/stage                           user
POST /v1/commits/settle                          user
POST /v1/copies                                  user
POST /v1/trees                                   user
POST /v1/trees/extend                            user
POST /v1/trees/drop                              user
POST /v1/sessions                                user
POST /v1/sessions/{session}/renew                user
DELETE /v1/sessions/{session}                    user
POST /v1/locks                                   user
POST /v1/locks/{lock}/wait                       user
GET /v1/locks/events                             user
POST /v1/locks/{lock}/renew                      user
POST /v1/locks/{lock}/upgrade                    user
POST /v1/locks/release                           user
POST /v1/locks/{lock}/break                      user
POST /v1/locks/list                              user
GET /v1/map                                      user
GET /v1/status                                   user
POST /v1/fileservers                             anyone
POST /v1/fileservers/{fileserver}/register       fileserver
POST /v1/fileservers/{fileserver}/heartbeat      fileserver
POST /v1/verify/database                         admin
POST /v1/verify/groups                           admin
"""
_AT_ONCE = 50
_STATUS = {0: "", 4: FORBIDDEN}
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Everybody:
    """Everybody of the table in one cluster, logged in."""

    here: Cluster
    files: dict[str, Filesystem] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def made(self, some: Sequence[Case]) -> AsyncIterator[tuple[Case, str]]:
        """Each case when its tree is there, and a commit as of which it is."""
        async for one in trees(self.files[ADMIN], some):
            yield one

    async def asks(self, who: str | None, method: str, path: str) -> int:
        """The status of an empty request."""
        headers = {"content-type": "application/json"}
        if who is not None:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        body = b"{}" if method == "POST" else b""
        async with await self.here.network.request(Request(method, CONTROL, path, headers, body)) as answer:
            return answer.status

    async def through_the_door(self, case: Case) -> str:
        """The code of what the HTTP door answers; empty where it does what is asked."""
        asked = DOOR[case.verb]
        headers = {"authorization": f"Bearer {self.tokens[case.who]}"}
        request = Request(
            asked.method, CONTROL, f"/files{quote(case.path)}{asked.target}", headers, asked.body
        )
        async with await self.here.network.request(request) as answer:
            body = await answer.read(1024 * 1024)
        if answer.status < 400:
            return ""
        if asked.method == "HEAD":
            return {401: UNAUTHENTICATED, 403: FORBIDDEN}.get(answer.status, str(answer.status))
        return msgspec.json.decode(body, type=Problem).code


async def trees(admin: Filesystem, some: Sequence[Case]) -> AsyncIterator[tuple[Case, str]]:
    """Make the trees of cases, a few dozen in a commit."""
    top = MakeDirectory(path=TOP, parents=True, attributes=Attributes(mode=0o755))
    await commit(admin.connection.control, [top])
    for begin in range(0, len(some), _AT_ONCE):
        part = some[begin : begin + _AT_ONCE]
        made = await commit(admin.connection.control, [one for case in part for one in world(case)])
        for case in part:
            yield case, str(made.commit)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybody() -> AsyncIterator[Everybody]:
    """All of them in a cluster within this process."""
    async with cluster(fileservers=1) as here:
        made = Everybody(here, {ADMIN: await here.admin()})
        for name in (OWNER, MEMBER, OTHER, KEEPER, DISABLED):
            made.files[name] = await here.user(name)
            reply = await credentials.login(here.network, CONTROL, SystemClock(), name, PASSWORD)
            made.tokens[name] = reply.token
        token = await made.files[ADMIN].connection.control.tokens.token()
        assert token is not None
        made.tokens[ADMIN] = token
        people = People(made.files[ADMIN].connection)
        for user_group, members in MEMBERS.items():
            await people.create_user_group(user_group, members)
        await people.disable(DISABLED)
        yield made


@pytest.mark.asyncio(loop_scope="module")
async def test_through_the_python_client(everybody: Everybody) -> None:
    some = cases(CLIENT, (OWNER, MEMBER, OTHER, ADMIN, DISABLED))
    assert len(some) > 700
    found = []
    async for case, at in everybody.made(some):
        answer = ""
        try:
            await CLIENT[case.verb](everybody.files[case.who], case.path, case.who, at)
        except CairnError as error:
            answer = error.code
        if answer != case.due:
            found.append((case, answer))
    assert not found, told(found)


@pytest.mark.asyncio(loop_scope="module")
async def test_through_the_http_door(everybody: Everybody) -> None:
    some = [
        case._replace(number=case.number + 10_000) for case in cases(DOOR, (OWNER, MEMBER, OTHER, DISABLED))
    ]
    assert len(some) > 150
    found = []
    async for case, _ in everybody.made(some):
        answer = await everybody.through_the_door(case)
        if answer != case.due:
            found.append((case, answer))
    assert not found, told(found)


@pytest.mark.asyncio(loop_scope="module")
async def test_each_endpoint_is_for_whom_the_table_says(everybody: Everybody) -> None:
    due = dict(line.rsplit(maxsplit=1) for line in ENDPOINTS.strip().splitlines())
    assert due.keys() == {f"{one.method} {one.path}" for one in endpoints.CONTROL}
    wrong = []
    for name, access in due.items():
        method, path = name.split()
        path = path.replace("{session}", "0" * 32).replace("{fileserver}", "1").replace("{lock}", "1")
        for who in (None, DISABLED, OWNER, ADMIN):
            status = await everybody.asks(who, method, path)
            if access == "anyone":
                right = status not in (403, 404)
            elif who is None:
                right = status == 401
            elif who == DISABLED:
                right = status in (400, 401, 403)  # some see first that the request is an empty one
            elif access == "user" or (access, who) == ("admin", ADMIN):
                right = status not in (401, 403)
            else:
                right = status == 403
            if not right:
                wrong.append(f"{name} by {who}: for {access}, and the answer was {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_right_that_goes_away_while_a_file_is_written_ends_it(everybody: Everybody) -> None:
    admin, bob = everybody.files[ADMIN], everybody.files[MEMBER]
    people = People(admin.connection)

    async def close_the_directory() -> None:
        await admin.chmod("/shared", 0o700)

    async def close_the_file() -> None:
        await admin.chmod("/shared/f", 0o604)

    async def leave() -> None:
        await people.change_user_group("crew", drop=[MEMBER])

    async def be_disabled() -> None:
        await people.disable(MEMBER)

    for lose, code in (
        (close_the_directory, FORBIDDEN),
        (close_the_file, FORBIDDEN),
        (leave, FORBIDDEN),
        (be_disabled, UNAUTHENTICATED),
    ):
        shared = Attributes(mode=0o070, owner=OWNER, group="crew")
        await commit(
            admin.connection.control,
            [MakeDirectory(path="/shared", parents=True, attributes=shared)],
        )
        await admin.write_file("/shared/f", b"before")
        await admin.chown("/shared/f", owner=OWNER, group="crew")
        await admin.chmod("/shared/f", 0o060)
        writer = await bob.open("/shared/f", "wb")
        await writer.write(b"after")
        await lose()
        with pytest.raises(CairnError) as refused:
            await writer.close()
        assert refused.value.code == code, lose
        assert await admin.read_file("/shared/f") == b"before"
        assert [one.name async for one in admin.list("/shared")] == ["f"]
        await people.enable(MEMBER)
        await people.change_user_group("crew", add=[MEMBER])


class Terminal:
    """A person who types many commands, one after the other, in one process."""

    def __init__(self, person: Person) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.permission_doors"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=person.environ | {"PYTHONPATH": str(REPOSITORY)},
            cwd=REPOSITORY,
            text=True,
        )

    def type(self, *arguments: str) -> tuple[int, str]:
        """The status of one command, and its complaint."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        status, complaint = json.loads(self._process.stdout.readline())
        return status, complaint

    def close(self) -> None:
        """No more commands."""
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def terminals(admin: Person) -> Iterator[dict[str, Terminal]]:
    """Those of the table at terminals of one cluster; the administrator is called boss there."""
    people = {name: admin.signed_up(name) for name in (OWNER, MEMBER, OTHER, KEEPER, "boss")}
    admin.does("user", "role", "boss", "admin")
    for user_group, members in MEMBERS.items():
        admin.does("group", "create", user_group, *members)
    made = {name: Terminal(people[name]) for name in (OWNER, MEMBER, OTHER)}
    yield made
    for one in made.values():
        one.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_through_the_command_line(admin: Person, terminals: dict[str, Terminal]) -> None:
    some = cases(CLI, (OWNER, MEMBER, OTHER))
    assert len(some) > 350
    here = cluster_file.load(ClusterPlaces(admin.data).cluster_file)
    assert here is not None
    found = []
    async with await connecting.connect(url=here.url, user="boss", password=PASSWORD) as files:
        async for case, at in trees(files, some):
            arguments = CLI[case.verb].format(c=case.path, who=case.who, at=at).split()
            status, complaint = terminals[case.who].type(*arguments)
            if _STATUS.get(status) != case.due:
                found.append((case, f"{status}: {complaint}"))
    assert not found, told(found)
