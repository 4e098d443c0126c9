"""Sealing: only the key's owner reads it, its length tells little, bad keys are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey

from cairnfs.errors import SealInvalid
from cairnfs.wire.auth import LoginSealed
from cairnfs.wire.sealing import ALGORITHMS, SEALED_MAX_CHARS, new_nonce, seal

KEY = OKPKey.generate_key("X25519", {"use": "enc", "alg": "ECDH-ES", "kid": "k1"})
JWKS: list[dict[str, Any]] = [
    {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "Ed25519", "kid": "s1", "x": "irrelevant"},
    dict(KEY.as_dict(private=False)),
]


def login(password: str) -> LoginSealed:
    return LoginSealed(purpose="login", name="ann", password=password, time_us=1, nonce=new_nonce())


def opened(sealed: str, key: OKPKey = KEY) -> bytes:
    plain = jwe.decrypt_compact(sealed, key, algorithms=list(ALGORITHMS)).plaintext
    assert plain is not None
    return plain


def test_the_owner_of_the_key_reads_what_was_sealed() -> None:
    assert json.loads(opened(seal(JWKS, login("correct horse"))))["password"] == "correct horse"


def test_nobody_else_does() -> None:
    sealed = seal(JWKS, login("correct horse"))
    assert "correct" not in sealed
    with pytest.raises(Exception, match="decode_error"):
        opened(sealed, OKPKey.generate_key("X25519"))


def test_the_header_names_the_key_and_the_algorithms() -> None:
    header = jwe.decrypt_compact(seal(JWKS, login("x" * 8)), KEY, algorithms=list(ALGORITHMS)).headers()
    assert {name: header[name] for name in ("alg", "enc", "kid")} == {
        "alg": "ECDH-ES",
        "enc": "A256GCM",
        "kid": "k1",
    }


def test_two_sealings_of_one_message_differ() -> None:
    message = login("correct horse")
    assert seal(JWKS, message) != seal(JWKS, message)


def test_the_length_does_not_tell_the_passwords() -> None:
    assert len(seal(JWKS, login("p" * 8))) == len(seal(JWKS, login("p" * 40)))


def test_the_longest_message_fits_the_limit() -> None:
    assert len(seal(JWKS, login("\u0000" * 1024))) <= SEALED_MAX_CHARS


def test_nonces_are_not_repeated() -> None:
    assert len({new_nonce() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "keys",
    [
        [],
        JWKS[:1],
        [{"kty": "OKP", "crv": "X25519", "use": "enc", "alg": "ECDH-ES", "x": "!"}],
        [{"kty": "OKP", "crv": "X25519", "use": "enc", "alg": "ECDH-ES"}],
        [dict(ECKey.generate_key("P-256", {"use": "enc", "alg": "ECDH-ES"}).as_dict(private=False))],
    ],
    ids=["no keys", "only a signing key", "a broken key", "half a key", "another curve"],
)
def test_keys_that_cannot_be_sealed_to(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(SealInvalid):
        seal(keys, login("correct horse"))
