"""The one table: names, paths and messages do not contradict each other."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from cairnfs.wire import endpoints
from cairnfs.wire.codec import Reply, Request
from cairnfs.wire.endpoints import CONTROL, FILESERVER, Endpoint

EVERY = (*CONTROL, *FILESERVER)


def test_every_endpoint_that_is_written_is_served() -> None:
    written = {id(value) for value in vars(endpoints).values() if isinstance(value, Endpoint)}
    assert written == {id(one) for one in EVERY}


@pytest.mark.parametrize("table", [CONTROL, FILESERVER])
def test_names_and_addresses_are_unique(table: tuple[Endpoint[Any, Any], ...]) -> None:
    assert len({one.name for one in table}) == len(table)
    assert len({(one.method, re.sub(r"{\w+}", "{}", one.path)) for one in table}) == len(table)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_an_endpoint_is_sound(one: Endpoint[Any, Any]) -> None:
    assert re.fullmatch(r"/v1(/([a-z-]+|{[a-z]+}))+", one.path)
    assert one.summary
    assert not one.summary.endswith(".")
    assert issubclass(one.request, Request)
    assert issubclass(one.reply, Reply | Request)
    asked_by_query = one.frames == "events"
    assert one.method == "POST" or asked_by_query or not msgspec.structs.fields(one.request)
    assert one.method == ("GET" if asked_by_query else "POST") or one.frames == ""
    assert 0 < one.body_max_bytes <= 64 * 1024 * 1024
    assert len(set(one.errors)) == len(one.errors)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_requests_hold_no_unbounded_numbers(one: Endpoint[Any, Any]) -> None:
    """A number that no database can hold must stop at the border."""
    _, schemas = msgspec.json.schema_components([one.request])
    loose = [
        (name, field)
        for name, schema in schemas.items()
        for field, given in schema.get("properties", {}).items()
        for each in (given, given.get("items", {}), *given.get("anyOf", []))
        if each.get("type") == "integer" and "maximum" not in each
    ]
    assert loose == []
