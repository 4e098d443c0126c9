"""Strangers and friends who ask whatever the OpenAPI documents allow, and what they do not.

schemathesis makes the requests from the documents that a real control plane and a real fileserver
serve; each is sent without a token, by a user, by an administrator and by a fileserver. What belongs here:
no 500, every error a problem that was announced, every answer as the document says, and what is right by
the document is never refused as malformed.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import hypothesis
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from cairnfs.client import credentials
from cairnfs.clock import SystemClock
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BY_CODE, Internal, Unavailable
from cairnfs.net.http_transport import HttpTransport
from cairnfs.wire import chunks, problems
from cairnfs.wire.endpoints import CONTROL, FILESERVER, Endpoint
from tests.scenarios.people import Person

ENDPOINTS = {one.name: one for one in (*CONTROL, *FILESERVER)}
NOBODY, USER, ADMIN, SERVER = "nobody", "user", "admin", "fileserver"
CALLERS = (NOBODY, USER, ADMIN, SERVER)
#: Requests for each endpoint and caller: right by the document, wrong by it, and by who may not call.
RIGHT, WRONG, VAIN = 8, 4, 1
#: Rules between two values that no schema can tell.
EXCUSED = {
    "commit", "verify_groups", "renew_session", "stat", "list", "walk", "open", "open_many", "find", "usage",
    "log", "diff", "put_chunks", "forward_chunks", "begin_tree", "extend_tree",
}  # fmt: skip
#: What callers hear who may not call: at the door, before anything they said is read.
REFUSALS = {"unauthenticated", "token_invalid", "forbidden", "method_not_allowed", "not_found", "bad_request"}
#: JSON Schema takes 1.0 for an integer, Cairn does not; and it knows no calendar.
UNTOLD = ("got `float`", "no such time")
PROBE = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
)
#: schemathesis writes tuples anew for an older dialect, and then finds fault with what it wrote.
TUPLES = {"inventory", "walk", "open", "open_many", "usage"}
#: What there is; a made-up path leads nowhere.
PLACES = ("/", "/Hello.txt", "/home", "/home/ann", "/home/ann/made", "/home/ann/made/below")


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A row of chunks, mostly sound."""
    parts = []
    for data in draw(st.lists(st.binary(min_size=1, max_size=64), max_size=3)):
        parts += [chunks.head(hash_bytes(data), len(data)), data]
    return b"".join(parts) + draw(st.just(b"") | st.binary(max_size=40))


schemathesis.openapi.media_type(chunks.MEDIA_TYPE, frames())


@dataclass(frozen=True)
class Cluster:
    """Where the services are, and each caller's token."""

    origins: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def cluster(admin: Person, ann: Person) -> Cluster:
    """Ann is the user; the fileserver's token is the one that the first has on its disk."""
    url = tomllib.loads((profile(admin)).read_text())["url"]
    server = json.loads((admin.data / "fileserver-1" / "credentials.json").read_text())["refresh_token"]
    secrets = {USER: saved(ann), ADMIN: saved(admin), SERVER: server}
    tokens = asyncio.run(exchange(url, secrets))
    status = admin.does("status", "--json").document
    return Cluster({"control": url, "fileserver": status["fileservers"][0]["address"]}, tokens)


def profile(person: Person) -> Path:
    return person.home / ".config" / "cairn" / "profile.toml"


def saved(person: Person) -> str:
    token: str = tomllib.loads(profile(person).read_text())["refresh_token"]
    return token


async def exchange(url: str, secrets: dict[str, str]) -> dict[str, str]:
    """Access tokens for refresh tokens."""
    transport = HttpTransport()
    try:
        return {
            name: (await credentials.refresh(transport, url, SystemClock(), secret)).token
            for name, secret in secrets.items()
        }
    finally:
        await transport.close()


class Questions(NamedTuple):
    """What can be asked of an endpoint, right by its document or wrong."""

    endpoint: Endpoint[Any, Any]
    right: bool
    cases: st.SearchStrategy[Any]


@pytest.fixture(scope="module")
def questions(cluster: Cluster) -> dict[str, list[Questions]]:
    """By service, as its document has them."""
    asked: dict[str, list[Questions]] = {}
    for service, origin in cluster.origins.items():
        document = schemathesis.openapi.from_url(f"{origin}/openapi.json")
        asked[service] = []
        for found in document.get_all_operations():
            operation: Any = cast(Any, found).ok()
            endpoint = ENDPOINTS[operation.definition.raw["operationId"]]
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                cases = operation.as_strategy(generation_mode=mode)
                asked[service].append(Questions(endpoint, mode is GenerationMode.POSITIVE, cases))
    return asked


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("service", ["control", "fileserver"])
def test_whatever_is_asked_is_answered_as_announced(
    cluster: Cluster, questions: dict[str, list[Questions]], service: str, caller: str, seed: int
) -> None:
    headers = {} if caller == NOBODY else {"Authorization": f"Bearer {cluster.tokens[caller]}"}
    assert len(questions[service]) == 2 * len({"control": CONTROL, "fileserver": FILESERVER}[service])
    for each in questions[service]:
        # A stream of events has no end to wait for: who may have one is told elsewhere what it says.
        if each.endpoint.frames != "events" or not may_call(each.endpoint, caller):
            ask(each, caller, headers, seed)


def ask(questions: Questions, caller: str, headers: dict[str, str], seed: int) -> None:
    """Send some requests to one endpoint and judge the answers."""
    endpoint, right, cases = questions
    probe = [*PROBE, checks.response_schema_conformance] if endpoint.name not in TUPLES else [*PROBE]
    examples = (RIGHT if right else WRONG) if may_call(endpoint, caller) else VAIN

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(cases, st.sampled_from((None, *PLACES)))
    def each(case: Any, place: str | None) -> None:
        if place is not None:
            lead(case.body, place)
        answer = case.call(headers=headers, timeout=20)
        case.validate_response(answer, checks=probe)
        judge(answer, endpoint, caller, right=right)

    each()


def lead(body: Any, place: str) -> None:
    """Let every path in a body lead to this place."""
    if isinstance(body, dict):
        if isinstance(body.get("path"), str):
            body["path"] = place
            body.pop("path_b64", None)
        for value in body.values():
            lead(value, place)
    elif isinstance(body, list):
        for value in body:
            lead(value, place)


def judge(answer: Any, endpoint: Endpoint[Any, Any], caller: str, *, right: bool) -> None:
    """Hold an answer against what the endpoint announces."""
    if answer.status_code == 200:
        assert may_call(endpoint, caller)
        if endpoint.frames != "reply":
            msgspec.json.decode(answer.content, type=endpoint.reply, strict=True)
        return
    assert answer.headers["content-type"] == [problems.MEDIA_TYPE]
    problem = msgspec.json.decode(answer.content, type=problems.Problem)
    kind = BY_CODE[problem.code]
    assert kind.status == problem.status == answer.status_code
    assert not issubclass(kind, Internal)
    assert answer.status_code < 500 or issubclass(kind, Unavailable)
    if not may_call(endpoint, caller):
        assert problem.code in REFUSALS, problem
    elif right and endpoint.name not in EXCUSED and not any(said in problem.detail for said in UNTOLD):
        expected = {error.code for error in endpoint.errors}
        if endpoint.access in ("admin", "fileserver"):
            expected.add("forbidden")
        assert problem.code in expected or issubclass(kind, Unavailable), problem


def may_call(endpoint: Endpoint[Any, Any], caller: str) -> bool:
    """Whether the endpoint is for this caller."""
    if endpoint.access == "anyone":
        return True
    return caller != NOBODY and endpoint.access in ("user", caller)


def test_after_all_that_nothing_is_broken(cluster: Cluster, admin: Person) -> None:
    """Runs last: the database and the fileservers are sound, and no process met anything unexpected."""
    assert admin.does("verify").text.startswith("verify: ok")
    for log in (admin.data / "log").glob("*.log"):
        events = [json.loads(line) for line in log.read_text().splitlines()]
        assert [event for event in events if "exception" in event] == []
