"""From who calls, as the network room knows it, to who asks, as the rules know it. Values only."""

from __future__ import annotations

from typing import cast

from cairnfs.core.permissions import Person, Role
from cairnfs.net.serving import Context


def person(context: Context) -> Person:
    """The person behind a request to an endpoint that is not open to anyone."""
    caller = context.user
    return Person(caller.user_id, caller.name, cast(Role, caller.role))
