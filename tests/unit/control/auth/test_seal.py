"""Opening sealed bodies: the right purpose, the right time, the right key; nothing told about the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey

from cairnfs.control.auth.keys import Keys, new_sealing_key, new_signing_key
from cairnfs.control.auth.seal import Opener
from cairnfs.errors import SealInvalid
from cairnfs.testing.clock import ManualClock
from cairnfs.wire.auth import LoginSealed, SignupSealed
from cairnfs.wire.sealing import ALGORITHMS, new_nonce, seal

KEYS = Keys.load(new_signing_key(), new_sealing_key())
MINUTE_US = 60_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def opener(clock: ManualClock) -> Opener:
    return Opener(KEYS.sealing, clock)


def login(clock: ManualClock, **changes: Any) -> LoginSealed:
    fields: dict[str, Any] = {
        "purpose": "login",
        "name": "ann",
        "password": "correct horse",
        "time_us": clock.now_us(),
        "nonce": new_nonce(),
        **changes,
    }
    return LoginSealed(**fields)


def raw(plain: bytes, **header: str) -> str:
    head = {"alg": "ECDH-ES", "enc": "A256GCM", **header}
    return jwe.encrypt_compact(head, plain, KEYS.sealing, algorithms=[*ALGORITHMS, "DEF", "A128GCM"])


def test_what_was_sealed_is_opened(opener: Opener, clock: ManualClock) -> None:
    message = login(clock)
    assert opener.open(seal(KEYS.public(), message), LoginSealed, "login") == message


def test_another_purpose_is_refused(opener: Opener, clock: ManualClock) -> None:
    sealed = seal(KEYS.public(), login(clock, purpose="signup"))
    with pytest.raises(SealInvalid, match="another purpose"):
        opener.open(sealed, LoginSealed, "login")


def test_a_message_of_another_kind_is_refused(opener: Opener, clock: ManualClock) -> None:
    signup = SignupSealed(purpose="login", name="ann", time_us=clock.now_us(), nonce=new_nonce())
    with pytest.raises(SealInvalid, match="expected message"):
        opener.open(seal(KEYS.public(), signup), LoginSealed, "login")


@pytest.mark.parametrize("off_us", [-5 * MINUTE_US - 1, 5 * MINUTE_US + 1, 10**15, -(10**15)])
def test_a_time_too_far_away_is_refused(opener: Opener, clock: ManualClock, off_us: int) -> None:
    sealed = seal(KEYS.public(), login(clock, time_us=clock.now_us() + off_us))
    with pytest.raises(SealInvalid, match="5 minutes") as refusal:
        opener.open(sealed, LoginSealed, "login")
    assert "clock" in refusal.value.hint


@pytest.mark.parametrize("off_us", [-5 * MINUTE_US, 5 * MINUTE_US])
def test_a_time_just_near_enough_is_taken(opener: Opener, clock: ManualClock, off_us: int) -> None:
    opener.open(seal(KEYS.public(), login(clock, time_us=clock.now_us() + off_us)), LoginSealed, "login")


def test_a_seal_grows_old(opener: Opener, clock: ManualClock) -> None:
    sealed = seal(KEYS.public(), login(clock))
    clock.advance(301)
    with pytest.raises(SealInvalid):
        opener.open(sealed, LoginSealed, "login")


@pytest.mark.parametrize("nonce", ["", "short", "x" * 129, "0" * 15 + "\n", "a b" * 8])
def test_a_nonce_that_is_none(opener: Opener, clock: ManualClock, nonce: str) -> None:
    with pytest.raises(SealInvalid, match="nonce"):
        opener.open(seal(KEYS.public(), login(clock, nonce=nonce)), LoginSealed, "login")


def test_a_seal_to_another_key_is_refused(opener: Opener, clock: ManualClock) -> None:
    others = Keys.load(new_signing_key(), new_sealing_key())
    with pytest.raises(SealInvalid):
        opener.open(seal(others.public(), login(clock)), LoginSealed, "login")


def test_compression_and_other_ciphers_are_refused(opener: Opener) -> None:
    for sealed in (raw(b" " * 10_000_000, zip="DEF"), raw(b"{}", enc="A128GCM")):
        with pytest.raises(SealInvalid):
            opener.open(sealed, LoginSealed, "login")


def test_a_key_on_another_curve_is_refused(opener: Opener) -> None:
    key = ECKey.generate_key("P-256")
    sealed = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, b"{}", key, algorithms=[*ALGORITHMS])
    with pytest.raises(SealInvalid):
        opener.open(sealed, LoginSealed, "login")


def test_a_point_of_small_order_is_refused(opener: Opener, clock: ManualClock) -> None:
    head, *rest = seal(KEYS.public(), login(clock)).split(".")
    from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

    header = json.loads(urlsafe_b64decode(head.encode()))
    header["epk"]["x"] = urlsafe_b64encode(bytes(32)).decode()
    forged = ".".join([urlsafe_b64encode(json.dumps(header).encode()).decode(), *rest])
    with pytest.raises(SealInvalid):
        opener.open(forged, LoginSealed, "login")


@pytest.mark.parametrize("plain", [b"", b"[]", b"\xff", b"{}", b'{"purpose":"login"}', b"[" * 10_000])
def test_a_plaintext_that_is_no_message(opener: Opener, plain: bytes) -> None:
    with pytest.raises(SealInvalid):
        opener.open(raw(plain), LoginSealed, "login")


def test_the_refusal_tells_nothing_of_the_content(opener: Opener, clock: ManualClock) -> None:
    plain = json.dumps({"purpose": "login", "password": "correct horse", "correct horse": 1}).encode()
    with pytest.raises(SealInvalid) as refusal:
        opener.open(raw(plain), LoginSealed, "login")
    assert "correct" not in f"{refusal.value} {refusal.value.__cause__}"


@given(st.text(max_size=300) | st.lists(st.sampled_from(["e30", "", "!", "AAAA"]), max_size=6).map(".".join))
def test_no_text_makes_it_stumble(text: str) -> None:
    with pytest.raises(SealInvalid):
        Opener(KEYS.sealing, ManualClock()).open(text, LoginSealed, "login")


def test_a_text_over_the_limit_is_not_even_read(opener: Opener) -> None:
    with pytest.raises(SealInvalid, match="too long"):
        opener.open("x" * 1_000_000, LoginSealed, "login")


def test_published_keys_hold_no_private_half() -> None:
    assert all("d" not in key for key in KEYS.public())
    assert {key["use"] for key in KEYS.public()} == {"enc", "sig"}
    assert isinstance(KEYS.sealing, OKPKey)
    assert repr(KEYS) == "Keys()"


def test_keys_loaded_twice_are_the_same() -> None:
    stored = new_signing_key(), new_sealing_key()
    assert Keys.load(*stored).public() == Keys.load(*stored).public()
