"""The OpenAPI 3.1 document of an endpoint table: for people, client generators and fuzzers.

What belongs here: from endpoints and messages to plain JSON values. What does not: the messages'
limits (they stand in the messages). Pure; made once, when an application is put together.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cairnfs import __version__
from cairnfs import errors as e
from cairnfs.wire import chunks, events, problems, queries, shapes
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoints import Endpoint

_Json = dict[str, Any]
_SCHEMAS = "#/components/schemas/"
_JSON = "application/json"
#: What any endpoint may answer besides the errors of its own.
_ALWAYS = (e.BadRequest, e.Internal, e.Busy, e.DeadlineExceeded, e.OutcomeUnknown)
_WITH_BODY = (e.UnknownField, e.LengthMismatch, e.TooLarge, e.UnsupportedMedia)
_WITH_LOGIN = (e.Unauthenticated, e.TokenExpired, e.TokenInvalid)


def document(
    endpoints: Sequence[Endpoint[Any, Any]], title: str, extra: Mapping[str, Any] | None = None
) -> _Json:
    """The document. `extra` are paths besides the table's, as OpenAPI path items by path."""
    paths: dict[str, _Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": {**paths, **(extra or {})},
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "parameters": {"deadline": _DEADLINE},
        },
    }


_DEADLINE: _Json = {
    "name": chunks.DEADLINE_HEADER,
    "in": "header",
    "description": "Milliseconds from arrival after which the request must not take effect.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 120_000, "default": 30_000},
}


def _schemas(endpoints: Sequence[Endpoint[Any, Any]]) -> _Json:
    # What travels in a query is told by its parameters.
    requests = [one.request for one in endpoints if one.frames != "events"]
    kinds = dict.fromkeys([problems.Problem, *requests, *(one.reply for one in endpoints)])
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return schemas


def _operation(endpoint: Endpoint[Any, Any]) -> _Json:
    operation: _Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.service],
        "summary": endpoint.summary,
        "parameters": [
            *_path_parameters(endpoint.path),
            *_query_parameters(endpoint),
            *_header_parameters(endpoint.headers),
            {"$ref": "#/components/parameters/deadline"},
        ],
        "responses": {"200": _answer(endpoint), **_refusals(endpoint)},
        "security": [] if endpoint.access == "anyone" else [{"bearer": []}],
        "x-cairn-access": endpoint.access,
    }
    if endpoint.method == "POST":
        operation["requestBody"] = _request(endpoint)
    return operation


def _path_parameters(path: str) -> list[_Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(endpoint: Endpoint[Any, Any]) -> list[_Json]:
    if endpoint.frames != "events":
        return []
    _, schemas = msgspec.json.schema_components([endpoint.request], ref_template=_SCHEMAS + "{name}")
    schema = schemas[endpoint.request.__name__]
    parameters: list[_Json] = []
    for name, is_bytes in queries.fields(endpoint.request).items():
        parameter: _Json = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        if is_bytes:
            parameter["description"] = "Percent-encoded bytes, which need not be UTF-8."
        parameters.append({**parameter, "schema": schema["properties"][name]})
    return [*parameters, _LAST_ID]


_LAST_ID: _Json = {
    "name": events.LAST_ID_HEADER,
    "in": "header",
    "required": False,
    "description": "The id of the last event that was dealt with: the stream goes on after it.",
    "schema": {"type": "string", "maxLength": events.FIELD_MAX_BYTES},
}
_NUMBER: _Json = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_HEADERS: dict[str, _Json] = {
    chunks.SESSION_HEADER: {"type": "string", "pattern": shapes.ID_PATTERN},
    chunks.BEGIN_HEADER: _NUMBER,
    chunks.DURABILITY_HEADER: {"enum": ["async", "majority", "all"], "default": "majority"},
    chunks.MAP_HEADER: _NUMBER,
}


def _header_parameters(headers: Mapping[str, bool]) -> list[_Json]:
    return [
        {"name": name, "in": "header", "required": required, "schema": _HEADERS[name]}
        for name, required in headers.items()
    ]


def _request(endpoint: Endpoint[Any, Any]) -> _Json:
    if endpoint.frames == "request":
        return {"required": True, "content": {chunks.MEDIA_TYPE: {"schema": _FRAMES}}}
    fields = msgspec.structs.fields(endpoint.request)
    return {
        "required": any(field.required for field in fields),
        "content": {_JSON: {"schema": _reference(endpoint.request)}},
    }


_FRAMES: _Json = {
    "type": "string",
    "format": "binary",
    "description": "A row of frames: hash (32 bytes), state (1), length (4, little-endian), so many bytes.",
}


def _reference(kind: type[Any]) -> _Json:
    return {"$ref": _SCHEMAS + kind.__name__}


_EVENTS = (
    "Server-sent events, each with one JSON document as its data. A comment `: told N` says that all that had"
    " happened N milliseconds after the request arrived has been told. An event `problem` is the last: its"
    " data is a problem document."
)


def _answer(endpoint: Endpoint[Any, Any]) -> _Json:
    if endpoint.frames == "reply":
        return {"description": "Chunk frames", "content": {chunks.MEDIA_TYPE: {"schema": _FRAMES}}}
    if endpoint.frames == "events":
        schema = {"type": "string", "contentSchema": _reference(endpoint.reply)}
        return {"description": _EVENTS, "content": {events.MEDIA_TYPE: {"schema": schema}}}
    said = "Done" if endpoint.reply is Empty else "The reply"
    return {"description": said, "content": {_JSON: {"schema": _reference(endpoint.reply)}}}


def _refusals(endpoint: Endpoint[Any, Any]) -> dict[str, _Json]:
    """By status, with the codes that each may carry; `default` for what a newer server may add."""
    expected: list[type[e.CairnError]] = [*_ALWAYS, *endpoint.errors]
    if endpoint.method == "POST":
        expected += _WITH_BODY
    if endpoint.frames == "events":
        expected += (e.UnknownField, e.BadName)
    if endpoint.access != "anyone":
        expected += _WITH_LOGIN
    if endpoint.access in ("admin", "fileserver"):
        expected.append(e.Forbidden)
    codes: dict[int, set[str]] = {}
    for error in expected:
        codes.setdefault(error.status, set()).add(error.code)
    answers = {str(status): _problem(", ".join(sorted(codes[status]))) for status in sorted(codes)}
    answers["default"] = _problem("Any other error")
    return answers


def _problem(description: str) -> _Json:
    return {
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": _reference(problems.Problem)}},
    }
