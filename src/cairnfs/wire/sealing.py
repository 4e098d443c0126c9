"""Sealed bodies: a message that only the auth service can read, whatever lies on the way.

A JWE in compact form: ECDH-ES on X25519 with A256GCM, to the key marked `use: enc` in the JWKS of
`GET /v1/auth/keys`. The plaintext is the message as JSON, padded with spaces so that its length
does not tell a password's. What belongs here: sealing, for clients. What does not: opening, and
the rules about time, nonce and purpose (`control/auth/seal.py`). Any thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from cairnfs.errors import SealInvalid
from cairnfs.wire.codec import Request, encode

KEY_AGREEMENT: Final = "ECDH-ES"
CIPHER: Final = "A256GCM"
CURVE: Final = "X25519"
#: What a reader accepts; compression is not among it.
ALGORITHMS = (KEY_AGREEMENT, CIPHER)
#: A sealed text is never longer: sealed messages hold at most a name, two passwords and a secret.
SEALED_MAX_CHARS = 16 * 1024
#: How far a sealed message's time may be from the service's.
SEAL_AGE_MAX_US = 5 * 60 * 1_000_000
_PADDED_TO_BYTES = 256


def new_nonce() -> str:
    """A nonce for a sealed message: 128 random bits in hex."""
    return secrets.token_hex(16)


def seal(keys: Sequence[Mapping[str, Any]], message: Request) -> str:
    """Seal a message to the sealing key among `keys` (`KeysReply.keys`).

    Raises SealInvalid where no key there can be sealed to.
    """
    key = _sealing_key(keys)
    plain = encode(message)
    plain += b" " * (-len(plain) % _PADDED_TO_BYTES)
    header = {"alg": KEY_AGREEMENT, "enc": CIPHER, "kid": key.kid}
    return jwe.encrypt_compact(header, plain, key, algorithms=list(ALGORITHMS))


def _sealing_key(keys: Sequence[Mapping[str, Any]]) -> OKPKey:
    for key in keys:
        if key.get("use") == "enc" and key.get("alg") == KEY_AGREEMENT and key.get("crv") == CURVE:
            try:
                return OKPKey.import_key(dict(key))
            except (JoseError, ValueError, TypeError) as error:
                raise SealInvalid("the service's sealing key cannot be read") from error
    raise SealInvalid("the service publishes no key to seal to")
