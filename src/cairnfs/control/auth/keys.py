"""The cluster's own keys: one signs access tokens, one opens sealed bodies.

They are made once, at the first start, and kept in the database, so that every control-plane
process issues and opens the same (`metadata/ops/secrets.py`). What belongs here: the two keys and
the JWKS that publishes their public halves. What does not: how they are kept. Immutable, any thread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from joserfc.jwk import OKPKey

from cairnfs.net.tokens import ALGORITHM
from cairnfs.net.tokens import CURVE as SIGNING_CURVE
from cairnfs.wire.sealing import CURVE as SEALING_CURVE
from cairnfs.wire.sealing import KEY_AGREEMENT

SIGNING, SEALING = "signing", "sealing"


def new_signing_key() -> bytes:
    """A fresh private Ed25519 key as JSON, as the database keeps it."""
    return _fresh(SIGNING_CURVE)


def new_sealing_key() -> bytes:
    """A fresh private X25519 key as JSON."""
    return _fresh(SEALING_CURVE)


def _fresh(curve: Literal["Ed25519", "X25519"]) -> bytes:
    return json.dumps(OKPKey.generate_key(curve).as_dict(private=True)).encode()


@dataclass(frozen=True, slots=True)
class Keys:
    """Both private keys. `repr` shows neither."""

    signing: OKPKey = field(repr=False)
    sealing: OKPKey = field(repr=False)

    @classmethod
    def load(cls, signing: bytes, sealing: bytes) -> Keys:
        """The keys that the database keeps. A key's id is its thumbprint (RFC 7638)."""
        return cls(
            _named(signing, {"use": "sig", "alg": ALGORITHM}),
            _named(sealing, {"use": "enc", "alg": KEY_AGREEMENT}),
        )

    def public(self) -> list[dict[str, Any]]:
        """The JWKS: public halves only."""
        return [dict(key.as_dict(private=False)) for key in (self.sealing, self.signing)]


def _named(stored: bytes, marks: dict[str, str]) -> OKPKey:
    key: dict[str, Any] = json.loads(stored)
    kid = OKPKey.import_key(key).thumbprint()
    return OKPKey.import_key({**key, **marks, "kid": kid})
