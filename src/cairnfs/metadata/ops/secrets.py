"""secrets: the cluster's own keys, made once and shared by all control-plane processes.

What belongs here: the verb. What does not: what the keys are (`control/auth/keys`).
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import secrets


def keep(tx: Tx, fresh: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the keys of these names; one that is missing becomes the fresh one. A light write."""
    for name, value in fresh.items():
        secrets.insert(tx, name, value)
    found = {name: secrets.find(tx, name) for name in fresh}
    return {name: value for name, value in found.items() if value is not None}
