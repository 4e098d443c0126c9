"""The document and the messages agree: what one calls right, the other takes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from cairnfs.core import etag, moment, names
from cairnfs.errors import BadRequest, CairnError
from cairnfs.wire import codec
from cairnfs.wire.auth import OneTimeRequest
from cairnfs.wire.chunks import GetRequest
from cairnfs.wire.codec import Request
from cairnfs.wire.commits import CommitRequest, StageRequest
from cairnfs.wire.directory import ListRequest, OpenRequest, PathText, StatRequest
from cairnfs.wire.names import from_text
from cairnfs.wire.verification import InventoryRequest, VerifyGroupsRequest

COMMIT = '{"request_id":"0","operations":[%s]}'
WRITE = '{"op":"write","path":"/f","size":1,"chunks":[%s]%s}'
HASH = "A" * 43 + "="


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (OneTimeRequest, '{"ttl_ms":999}'),
        (OneTimeRequest, '{"ttl_ms":604800001}'),
        (StatRequest, '{"paths":[]}'),
        (ListRequest, '{"path":"/","limit":0}'),
        (ListRequest, '{"path":"/","limit":1001}'),
        (OpenRequest, '{"path":"/","limit":16385}'),
        (VerifyGroupsRequest, '{"first":0,"last":1024}'),
        (InventoryRequest, '{"low":"' + "A" * 44 + '"}'),
        (GetRequest, '{"hashes":["AAAA"]}'),
        (StageRequest, (COMMIT % "").replace("}", ',"page":0}')),
        (StageRequest, COMMIT.replace("}", ',"page":100}') % '{"op":"mkdir","path":"/d"}'),
        (CommitRequest, COMMIT.replace("}", ',"staged":101}') % '{"op":"mkdir","path":"/d"}'),
        (CommitRequest, COMMIT.replace("}", ',"deadline_ms":0}') % '{"op":"mkdir","path":"/d"}'),
        (CommitRequest, COMMIT % '{"op":"mkdir","path":"/d","mode":4096}'),
        (CommitRequest, COMMIT % WRITE % ('["AAAA",1]', "")),
        (CommitRequest, COMMIT % WRITE % (f'["{HASH}",0]', "")),
        (CommitRequest, COMMIT % WRITE % (f'["{HASH}",4294967296]', "")),
        (CommitRequest, COMMIT % WRITE % (f'["{HASH}",1]', ',"mtime_us":253402214400000001')),
    ],
)
def test_values_out_of_bounds_stop_when_the_message_is_read(kind: type[Request], body: str) -> None:
    with pytest.raises(BadRequest):
        codec.decode(kind, body.encode())


def test_what_is_not_read_here_has_its_error_elsewhere() -> None:
    """A bad path is BadName, a long list TooManyOperations: whoever takes them says so."""
    codec.decode(ListRequest, b'{"path":""}')
    codec.decode(StatRequest, b'{"paths":[%s]}' % b",".join([b'{"path":"x"}'] * 1001))
    codec.decode(CommitRequest, (COMMIT % WRITE % (f'["{HASH}",1]', ',"expected":"x"')).encode())


def pattern(kind: type[Request], field: str) -> str:
    """What the document says of a field's text."""
    _, schemas = msgspec.json.schema_components([kind])
    schema = schemas[kind.__name__]["properties"][field]
    return str(next(one["pattern"] for one in (schema, *schema.get("anyOf", [])) if "pattern" in one))


def takes(read: Any, *given: Any) -> bool:
    try:
        read(*given)
    except CairnError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["/", "/a", "/a/", "/a/b", "/...", "/.a", "/a.", "/ ", "/é", "/\n", "/" + "x" * 255, "", "a", "//",
     "/a//b", "/a//", "/.", "/..", "/a/./b", "/a/../b", "/a/..", "/../", "/a\0", "/" + "x" * 256],
)  # fmt: skip
def test_the_document_knows_a_path(text: str) -> None:
    said = text != "" and re.search(pattern(PathText, "path"), text) is not None
    assert said == takes(names.path, text.encode())


@pytest.mark.parametrize(
    "text", ["Lw==", "L2E=", "L2Fi", "L2FiYw==", "", "L", "Lw", "Lw=", "YQ==", "L2E", "L2Fi=", "Lx==", "!"]
)
def test_the_document_knows_a_path_in_base64(text: str) -> None:
    said = re.search(pattern(PathText, "path_b64"), text) is not None
    assert said == takes(lambda: names.path(from_text("", text)))


@pytest.mark.parametrize(
    "text",
    ["0", "41", "10m", "2026-11-22T10:00Z", "2026-11-22 10:00:59.5+02:00", "", "-1", "10M", "10 m",
     "2026-11-22", "2026-13-01T10:00Z", "2026-11-22T25:00Z", "2026-11-22T10:00", "9" * 19,
     "0000-01-01T10:00Z", "before-1.0", "m", "a b", "ä", "_a", "x" * 64, "x" * 65],
)  # fmt: skip
def test_the_document_knows_a_moment(text: str) -> None:
    assert (re.search(pattern(ListRequest, "at"), text) is not None) == takes(moment.parse, text)


@pytest.mark.parametrize("text", ["1.2.3", "", "1.2", "1.2.3.4", "a.b.c", "-1.2.3", "1.2." + "9" * 20])
def test_the_document_knows_a_version(text: str) -> None:
    assert (re.search(pattern(OpenRequest, "known"), text) is not None) == takes(etag.parse, text)
