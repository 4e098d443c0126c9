"""What the kernel writes about processes is read as it is meant."""

from __future__ import annotations

import os
import time

from bench import processes

STAT = "42 (a ) b(c) S 7 42 42 0 -1 4194304 100 0 0 0 31 9 0 0 20 0 5 0 1 2 3"
ROLLUP = "55-7f ---p 00000000 00:00 0 [rollup]\nRss:    2048 kB\nPss:     841 kB\nPss_Dirty:  580 kB\n"


def test_a_name_with_parentheses_does_not_shift_the_fields() -> None:
    assert processes.parent_of(STAT) == 7


def test_a_field_is_found_by_its_whole_name() -> None:
    assert processes.field_bytes(ROLLUP, "Pss") == 841 * 1024
    assert processes.field_bytes(ROLLUP, "Swap") == 0


def test_this_process_has_memory_time_and_a_family() -> None:
    me = os.getpid()
    assert 0 < processes.pss_bytes(me) <= processes.rss_bytes(me) * 2
    assert processes.peak_rss_bytes(me) > 0
    assert 0 < processes.cpu_s(me) <= time.process_time()
    assert me in processes.children([os.getppid()])
    assert processes.mentions(me, "python")


def test_a_process_that_is_gone_counts_nothing() -> None:
    nobody = 2**22 + 1  # above the kernel's largest number
    assert processes.pss_bytes(nobody) == processes.rss_bytes(nobody) == 0
    assert processes.cpu_s(nobody) == 0
    assert not processes.mentions(nobody, "")
