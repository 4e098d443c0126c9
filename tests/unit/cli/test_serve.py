"""`cairn serve`: what is wrong with its arguments is said before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairnfs.cli import serve
from cairnfs.errors import BadRequest


@pytest.mark.parametrize(
    ("lease", "why"),
    [("400:1200:800", "have to grow"), ("", "RENEW:SUSPEND:END"), ("400-800-1200", "RENEW:SUSPEND:END")],
)
def test_times_of_leases_that_break_the_rule(tmp_path: Path, lease: str, why: str) -> None:
    with pytest.raises(BadRequest, match=f"--lease .*{why}"):
        serve.main(["control", "--data", str(tmp_path), "--lease", lease])
    assert not list(tmp_path.iterdir())


def test_so_are_those_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serve.LEASE_VARIABLE, "1200:800:400")
    with pytest.raises(BadRequest, match=r"CAIRN_LEASE 1200:800:400: .*have to grow"):
        serve.main(["control", "--data", str(tmp_path)])
    assert not list(tmp_path.iterdir())
