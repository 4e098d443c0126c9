"""Running one command beside the bench and watching its memory. One thread.

What belongs here: a process, its peak, its end. What does not: what the command means.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import processes

_LOOK_EVERY_S = 0.01
_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How long a command took, and the most memory it had."""

    seconds: float
    peak_rss_bytes: int
    output: bytes = b""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    fed_by: Sequence[str] | None = None,
    keep: Path | None = None,
) -> Ran:
    """Run to the end, with the output of the command `fed_by` as its input. Raises OSError if it fails.

    What it prints is dropped, unless there is a file `keep` to put it into.
    """
    began = time.monotonic()
    feeder = None
    with log.open("ab") as errors, open(keep or os.devnull, "wb") as output:
        if fed_by is not None:
            feeder = subprocess.Popen(fed_by, stdout=subprocess.PIPE, stderr=errors, cwd=_home())
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=feeder.stdout if feeder is not None else subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
    if feeder is not None and feeder.stdout is not None:
        feeder.stdout.close()  # so that the feeder learns of the command's end
    try:
        peak = _watch(process, began + _WITHIN_S)
    finally:
        for each in (process, feeder):
            if each is not None:
                each.kill()
                each.wait()
    if process.returncode:
        raise OSError(f"{' '.join(command[:2])} ended with {process.returncode}; see {log}")
    seconds = time.monotonic() - began
    return Ran(seconds, peak, b"" if keep is None else keep.read_bytes())


def _watch(process: subprocess.Popen[bytes], deadline: float) -> int:
    # The kernel's own record of the peak; what rusage tells of a child counts its parent's memory too.
    peak = 0
    while process.poll() is None:
        peak = max(peak, processes.peak_rss_bytes(process.pid))
        if time.monotonic() > deadline:
            raise OSError("a command did not end")
        time.sleep(_LOOK_EVERY_S)
    return peak


def _home() -> Path:
    return Path(__file__).parents[1]
