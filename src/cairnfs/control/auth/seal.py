"""Opening sealed bodies: who sealed it right, for this purpose, just now.

What belongs here: decryption, size, purpose and time. What does not: that a nonce counts once,
which only the database can say (`metadata/ops/tokens.py`); each route spends the nonce in the same
tx as what the message asks for. Any thread.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, SealInvalid, UnknownField
from cairnfs.wire.codec import decode
from cairnfs.wire.sealing import ALGORITHMS, SEAL_AGE_MAX_US, SEALED_MAX_CHARS

NONCE_CHARS = range(16, 129)
#: A nonce is remembered until its message is too old for any clock that the check allows.
NONCE_KEPT_US = 2 * SEAL_AGE_MAX_US


class Sealed(Protocol):
    """What every sealed message holds."""

    @property
    def purpose(self) -> str:
        """What it is for."""
        ...

    @property
    def time_us(self) -> int:
        """When it was sealed, by the sealer's clock."""
        ...

    @property
    def nonce(self) -> str:
        """What makes it count once."""
        ...


S = TypeVar("S", bound=Sealed)


class Opener:
    """Opens what was sealed to this cluster's sealing key."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        """`key` is the private key."""
        self._key = key
        self._clock = clock

    def open(self, sealed: str, kind: type[S], purpose: str) -> S:
        """The message inside. Raises SealInvalid; the detail says nothing of the content."""
        if len(sealed) > SEALED_MAX_CHARS:
            raise SealInvalid("the sealed body is too long")
        message = self._message(sealed, kind)
        if message.purpose != purpose:
            raise SealInvalid("the sealed body is for another purpose")
        if abs(self._clock.now_us() - message.time_us) > SEAL_AGE_MAX_US:
            raise SealInvalid(
                "the sealed body's time is more than 5 minutes from the service's",
                hint="is this machine's clock right?",
            )
        if len(message.nonce) not in NONCE_CHARS or not message.nonce.isalnum():
            raise SealInvalid("the nonce must be 16 to 128 letters and digits")
        return message

    def _message(self, sealed: str, kind: type[S]) -> S:
        try:
            plain = jwe.decrypt_compact(sealed, self._key, algorithms=list(ALGORITHMS)).plaintext
            if plain is None:
                raise SealInvalid("the sealed body is empty")
            return decode(kind, plain)
        except (BadRequest, UnknownField):
            # Without the cause, which may quote the plaintext.
            raise SealInvalid("the sealed body does not hold the expected message") from None
        except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise SealInvalid(
                "the sealed body cannot be opened", hint="fetch the keys again and seal again"
            ) from None
