"""From who calls, as the network room knows it, to who asks, as the rules and the database know it.

    person(context)      what the token says: whom the rules then look up
    Standing(driver)     asked before requests: refuses whoever was shut out since the token was made

What belongs here: these two. What does not: rules (`core`), what the database says (`metadata/people`). One
event loop.
"""

from __future__ import annotations

from typing import Any, cast

from cairnfs.core.permissions import Person, Role
from cairnfs.errors import Forbidden
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import whoami
from cairnfs.net.serving import Caller, Context
from cairnfs.wire import endpoints
from cairnfs.wire.endpoint import Endpoint

#: What looks the caller up in its own tx: asking twice would cost a look at the database each time.
_LOOK_THEMSELVES = frozenset(
    one.name
    for one in (
        endpoints.STAT,
        endpoints.LIST,
        endpoints.OPEN,
        endpoints.COMMIT,
        endpoints.SETTLE,
        endpoints.BEGIN_TREE,
        endpoints.EXTEND_TREE,
        endpoints.DROP_TREE,
        endpoints.BEGIN_SESSION,
        endpoints.RENEW_SESSION,  # nobody who was shut out has a session
        endpoints.ACQUIRE_LOCK,
        endpoints.WAIT_LOCK,
        endpoints.RENEW_LOCK,
        endpoints.UPGRADE_LOCK,
        endpoints.RELEASE_LOCKS,
        endpoints.BREAK_LOCK,
        endpoints.LIST_LOCKS,
    )
)


def person(context: Context) -> Person:
    """The person behind a request to an endpoint that is not open to anyone."""
    return _person(context.user)


class Standing:
    """Whether who calls still may: what a token says of it can be 15 minutes old."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def __call__(self, endpoint: Endpoint[Any, Any], caller: Caller) -> None:
        """Raises Unauthenticated for one who was shut out, Forbidden for one who is no administrator."""
        if endpoint.name in _LOOK_THEMSELVES:
            return
        now = await self._driver.read(lambda tx: whoami.now(tx, _person(caller)))
        if endpoint.access == "admin" and now.role != "admin":
            raise Forbidden("this is for administrators")


def _person(caller: Caller) -> Person:
    return Person(caller.user_id, caller.name, cast(Role, caller.role))
