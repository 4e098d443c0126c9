"""The OpenAPI document says what the table says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cairnfs.net.openapi import document
from cairnfs.wire.endpoints import CONTROL, FILESERVER, Endpoint
from tests.unit.net import service

TABLES = {"control": CONTROL, "fileserver": FILESERVER, "toy": service.TABLE}


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> tuple[Endpoint[Any, Any], ...]:
    return TABLES[request.param]


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


def test_every_endpoint_is_there_once(table: tuple[Endpoint[Any, Any], ...]) -> None:
    made = document(table, "Cairn")
    operations = {
        (method.upper(), path): operation
        for path, item in made["paths"].items()
        for method, operation in item.items()
    }
    assert operations.keys() == {(endpoint.method, endpoint.path) for endpoint in table}
    assert sorted(one["operationId"] for one in operations.values()) == sorted(one.name for one in table)


def test_every_reference_leads_somewhere(table: tuple[Endpoint[Any, Any], ...]) -> None:
    made = json.loads(json.dumps(document(table, "Cairn")))
    for reference in references(made):
        place = made
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_an_operation_names_its_errors_its_access_and_its_limits() -> None:
    made = document(CONTROL, "Cairn")
    commit = made["paths"]["/v1/commits"]["post"]
    assert commit["security"] == [{"bearer": []}]
    assert "not_durable" in commit["responses"]["409"]["description"]
    assert commit["requestBody"]["required"]
    assert "default" in commit["responses"]
    assert made["paths"]["/v1/auth/login"]["post"]["security"] == []
    assert not made["paths"]["/v1/sessions"]["post"]["requestBody"]["required"]
    (session, _) = made["paths"]["/v1/sessions/{session}/renew"]["post"]["parameters"]
    assert (session["name"], session["in"], session["required"]) == ("session", "path", True)
    renew = made["components"]["schemas"]["RenewRequest"]
    assert renew["additionalProperties"] is False
    assert renew["properties"]["counter"] == {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}


def test_frames_are_binary() -> None:
    paths = document(FILESERVER, "Cairn")["paths"]
    put = paths["/v1/chunks/put"]["post"]["requestBody"]["content"]
    get = paths["/v1/chunks/get"]["post"]["responses"]["200"]["content"]
    assert put.keys() == get.keys() == {"application/vnd.cairn.chunks"}


def test_a_stream_of_events_is_asked_for_by_parameters() -> None:
    made = document(service.TABLE, "Cairn")
    watch = made["paths"]["/v1/watch"]["get"]
    assert "requestBody" not in watch
    query = {one["name"]: one for one in watch["parameters"] if one.get("in") == "query"}
    assert {name: one["required"] for name, one in query.items()} == {
        "path": True,
        "since": False,
        "deep": False,
    }
    assert query["path"]["schema"] == {"type": "string"}
    assert "bytes" in query["path"]["description"]
    assert query["since"]["schema"]["anyOf"][0] == {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
    assert "last-event-id" in [one.get("name") for one in watch["parameters"]]
    (media,) = watch["responses"]["200"]["content"].items()
    assert media == (
        "text/event-stream",
        {"schema": {"type": "string", "contentSchema": {"$ref": "#/components/schemas/Say"}}},
    )
    assert "unknown_field" in watch["responses"]["400"]["description"]
    assert "before_horizon" in watch["responses"]["410"]["description"]
    assert "Look" not in made["components"]["schemas"]


def test_paths_of_mounts_can_be_added() -> None:
    made = document(CONTROL, "Cairn", {"/files/{path}": {"get": {"responses": {}}}})
    assert made["paths"]["/files/{path}"] == {"get": {"responses": {}}}
    assert "/v1/stat" in made["paths"]
