"""The OpenAPI 3.1 document of an endpoint table. Pure; made once at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cairnfs.wire.endpoints import Endpoint


def document(endpoints: Sequence[Endpoint[Any, Any]], title: str) -> dict[str, Any]:
    """The document as plain JSON values."""
    return {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": {}}
