"""What the kernel says of processes: memory and processor time, from /proc. Linux only.

What belongs here: reading it. What does not: which processes are meant (`cluster.py`) and what the
numbers are compared with. A process that is gone counts nothing. Any thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_RESET_PEAK = "5"


def children(pids: Iterable[int]) -> set[int]:
    """The processes and everything they started that still runs."""
    parents = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                parents[int(entry.name)] = parent_of((entry / "stat").read_text())
    family = set(pids)
    while True:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        if not more:
            return family
        family |= more


def mentions(pid: int, word: str) -> bool:
    """Whether the process lives and its command line holds `word`: a number may be another's by now."""
    try:
        return word.encode() in (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def pss_bytes(pid: int) -> int:
    """Its share of memory: what it has alone, and its part of what it shares with others."""
    return _field(pid, "smaps_rollup", "Pss")


def rss_bytes(pid: int) -> int:
    """The memory it has now, shared pages counted whole."""
    return _field(pid, "status", "VmRSS")


def peak_rss_bytes(pid: int) -> int:
    """The most it had since its start or the last `reset_peak`."""
    return _field(pid, "status", "VmHWM")


def reset_peak(pid: int) -> None:
    """Let `peak_rss_bytes` begin anew from what it has now."""
    (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def cpu_s(pid: int) -> float:
    """Processor time used so far, by all its threads, to the nanosecond."""
    try:
        return time.clock_gettime(_cpu_clock(pid))
    except OSError:
        return 0.0


def parent_of(stat: str) -> int:
    """The parent's number in the text of /proc/PID/stat. The command's name may hold anything."""
    return int(_after_name(stat)[1])


def field_bytes(text: str, name: str) -> int:
    """The value of a line `Name:   123 kB`; 0 where there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0


def _after_name(stat: str) -> list[str]:
    return stat[stat.rindex(")") + 1 :].split()


def _cpu_clock(pid: int) -> int:
    """What clock_getcpuclockid(3) gives: the number's complement, then the clock's kind (2: as scheduled)."""
    return (~pid << 3) | 2


def _field(pid: int, file: str, name: str) -> int:
    try:
        return field_bytes((_PROC / str(pid) / file).read_text(), name)
    except (FileNotFoundError, ProcessLookupError):
        return 0
