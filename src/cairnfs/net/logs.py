"""The log of a Cairn process: one line an event on stderr, `key=value` on a terminal, JSON elsewhere.

    log = structlog.get_logger("fileserver.scrub")
    log.warning("bad record", segment=4, offset=1024)

What belongs here: how events of structlog, and of the libraries that use `logging`, are written.
`CAIRN_LOG` chooses the level: debug, info (default), warning, error. Values under a name that says
secret are blanked, as the last line of defence: no caller may pass one. Called once per process.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

LEVEL_VARIABLE = "CAIRN_LOG"
#: Libraries that speak too much at `info`.
_CHATTY = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio")
_SECRET = re.compile(r"token|password|secret|authorization|invitation|sealed|_key$", re.IGNORECASE)

_Event = MutableMapping[str, Any]


def _blank_secrets(logger: object, method: str, event: _Event) -> _Event:
    for name in event:
        if name != "event" and _SECRET.search(name):
            event[name] = "(secret)"
    return event


def _processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _blank_secrets,
    ]


def route() -> None:
    """Send structlog's events through `logging`, whose handlers then decide. Enough for tests."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configure(stream: TextIO | None = None, level: str | None = None) -> None:
    """Write the log of this process to `stream` (stderr) from `level` (CAIRN_LOG, else info) on."""
    stream = stream or sys.stderr
    name = (level or os.environ.get(LEVEL_VARIABLE) or "info").upper()
    chosen = logging.getLevelNamesMapping().get(name, logging.INFO)
    route()
    if stream.isatty():
        # Plain tracebacks: the pretty ones print local variables, and those may be secrets.
        finish: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, timestamp_key="at", pad_event_to=0
            )
        ]
    else:
        finish = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
            foreign_pre_chain=_processors(),
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(chosen)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(chosen, logging.WARNING))
