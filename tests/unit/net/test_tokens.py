"""Access tokens: what a service accepts, and each way to deceive it that it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from cairnfs.errors import CairnError, TokenExpired, TokenInvalid
from cairnfs.ids import ClusterId
from cairnfs.net.tokens import TokenChecker
from cairnfs.testing.clock import ManualClock

CLUSTER = ClusterId("c" * 32)
KEY = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519", "kid": "k1"})
SEALING = OKPKey.generate_key("X25519", {"use": "enc", "alg": "ECDH-ES", "kid": "k2"})
JWKS: list[dict[str, Any]] = [dict(key.as_dict(private=False)) for key in (SEALING, KEY)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def checker(clock: ManualClock) -> TokenChecker:
    return TokenChecker(JWKS, CLUSTER, clock)


def token(clock: ManualClock, *, key: Any = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = clock.now_us() // 1_000_000
    said = {"iss": CLUSTER, "sub": "7", "name": "ann", "role": "user", "iat": now, "exp": now + 900, **claims}
    head = {"alg": "Ed25519", "kid": "k1", "typ": "JWT", **(header or {})}
    return jws.serialize_compact(head, json.dumps(said), key, algorithms=[head["alg"]])


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_token_says_who_calls(checker: TokenChecker, clock: ManualClock) -> None:
    caller = checker(token(clock, role="admin"))
    assert (caller.user_id, caller.name, caller.role) == (7, "ann", "admin")
    assert 899_000_000 <= caller.expires_at_us - clock.now_us() <= 900_000_000


def test_a_token_seen_before_is_not_checked_again(
    checker: TokenChecker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token(clock)
    caller = checker(text)
    monkeypatch.setattr(checker, "_check", lambda _: pytest.fail("checked again"))
    assert checker(text) is caller


def test_an_expired_token_is_refused_also_when_it_is_remembered(
    checker: TokenChecker, clock: ManualClock
) -> None:
    text = token(clock)
    checker(text)
    clock.advance(901)
    for _ in range(2):
        with pytest.raises(TokenExpired):
            checker(text)


def test_the_cache_is_bounded(clock: ManualClock) -> None:
    checker = TokenChecker(JWKS, CLUSTER, clock, cache_max=3)
    for number in range(10):
        checker(token(clock, sub=str(number)))
    assert len(checker._known) == 3
    assert checker(token(clock, sub="0")).user_id == 0


def test_a_changed_token_is_refused(checker: TokenChecker, clock: ManualClock) -> None:
    head, claims, proof = token(clock).split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    promoted = b64(json.dumps({**said, "role": "admin"}).encode())
    with pytest.raises(TokenInvalid):
        checker(f"{head}.{promoted}.{proof}")


def unsigned(clock: ManualClock) -> str:
    _, claims, _ = token(clock).split(".")
    return f"{b64(json.dumps({'alg': 'none', 'kid': 'k1', 'typ': 'JWT'}).encode())}.{claims}."


def signed_with_the_public_key(clock: ManualClock) -> str:
    public = OctKey.import_key(json.dumps(JWKS[1]).encode())
    return token(clock, key=public, header={"alg": "HS256"})


def test_no_other_algorithm_is_taken(checker: TokenChecker, clock: ManualClock) -> None:
    for forged in (unsigned(clock), signed_with_the_public_key(clock)):
        with pytest.raises(TokenInvalid):
            checker(forged)


OTHER = OKPKey.generate_key("Ed25519")


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": OTHER},
        {"key": OTHER, "header": {"kid": "k8"}},
        {"header": {"kid": "k9"}},
        {"header": {"kid": "k2"}},
        {"header": {"typ": "secevent+jwt"}},
        {"iss": "d" * 32},
        {"role": "root"},
        {"sub": "ann"},
        {"exp": "never"},
        {"exp": None},
        {"name": ["ann"]},
    ],
    ids=lambda wrong: ",".join(f"{part}={value}" for part, value in wrong.items() if part != "key") or "key",
)
def test_a_token_that_is_not_this_clusters(
    checker: TokenChecker, clock: ManualClock, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TokenInvalid):
        checker(token(clock, **wrong))


def test_a_token_without_kid_or_type_is_refused(checker: TokenChecker, clock: ManualClock) -> None:
    claims = token(clock).split(".")[1]
    payload = base64.urlsafe_b64decode(claims + "==")
    for head in ({"alg": "Ed25519"}, {"alg": "Ed25519", "kid": "k1"}, {"alg": "Ed25519", "typ": "JWT"}):
        with pytest.raises(TokenInvalid):
            checker(jws.serialize_compact(head, payload, KEY, algorithms=["Ed25519"]))


def test_a_key_in_the_header_is_not_used(checker: TokenChecker, clock: ManualClock) -> None:
    own = dict(OTHER.as_dict(private=False))
    with pytest.raises(TokenInvalid):
        checker(token(clock, key=OTHER, header={"jwk": own}))


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b.c", "x" * 100_000, "é.é.é", b64(b"[]") + ".e30.", b64(b'{"alg":1}') + ".e30.x"],
)
def test_what_is_no_token_at_all(checker: TokenChecker, text: str) -> None:
    with pytest.raises(TokenInvalid):
        checker(text)


def test_new_keys_take_the_place_of_the_old(checker: TokenChecker, clock: ManualClock) -> None:
    text = token(clock)
    checker(text)
    fresh = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519", "kid": "k3"})
    public = dict(fresh.as_dict(private=False))
    checker.update([public])
    assert checker.keys == [public]
    with pytest.raises(TokenInvalid):
        checker(text)
    assert checker(token(clock, key=fresh, header={"kid": "k3"})).name == "ann"


def test_refusals_do_not_repeat_the_token(checker: TokenChecker, clock: ManualClock) -> None:
    for text in (token(clock, iss="d" * 32), token(clock, key=OTHER)):
        with pytest.raises(CairnError) as refusal:
            checker(text)
        assert text.split(".")[1] not in str(refusal.value)
