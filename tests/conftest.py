"""What every test gets: a seed that can be given again, and a log that must stay quiet.

What belongs here: only what concerns all tests. What one room needs lies beside its tests.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from cairnfs.net import logs
from cairnfs.testing.databases import database, postgres, postgres_dsn

__all__ = ["database", "postgres", "postgres_dsn"]  # fixtures, for whoever asks by name

# Two shared cores: a deadline per example would judge the neighbours, not the code.
settings.register_profile(
    "cairn", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cairn")

# What a test reads is to come from the cluster; those of the cache have one of their own.
os.environ["CAIRN_CACHE_BYTES"] = "0"
# Nor is what a test records of its trees to stay behind.
_state = tempfile.TemporaryDirectory(prefix="cairn-test-state-")
os.environ["XDG_STATE_HOME"] = _state.name

# Whoever began the tests in the background may ignore these for all that they begin (nohup, `make test &`);
# what is tested is what somebody at a terminal has.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# structlog's events go where caplog sees them.
logs.route()


@pytest.fixture
def seed() -> int:
    """A seed for this test's randomness, printed when it fails; CAIRN_TEST_SEED repeats one."""
    given = os.environ.get("CAIRN_TEST_SEED")
    chosen = int(given) if given else random.SystemRandom().getrandbits(32)
    print(f"CAIRN_TEST_SEED={chosen}")
    return chosen


@pytest.fixture(autouse=True)
def quiet_log(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that logged a warning or worse, unless it is marked `loud`."""
    yield
    if request.node.get_closest_marker("loud"):
        return
    noise = [
        f"{record.name} {record.levelname}: {record.getMessage()}"
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.WARNING
    ]
    assert not noise, f"logged without being marked loud: {noise}"
