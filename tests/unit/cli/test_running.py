"""Commands under a lock: their status, signals, terminal, and their end in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cairnfs.cli import running
from cairnfs.cli.attention import Attention
from cairnfs.cli.watchdog import Watchdog
from cairnfs.clock import SystemClock
from cairnfs.core.leases import LeaseTimes

PATIENCE_S = 30.0
#: Told to end at 960 ms without a renewal, killed at 1,120.
TIMES = LeaseTimes(400, 800, 1200)


@dataclass
class Leased:
    """A lease that is renewed all the time, until it is not any more."""

    times: LeaseTimes = TIMES
    is_lost: bool = False
    renewed_at: float | None = None
    seen: list[float] = field(default_factory=list)

    def age_s(self) -> float:
        return 0.0 if self.renewed_at is None else time.monotonic() - self.renewed_at


@pytest.fixture
def attention() -> Iterator[Attention]:
    with Attention(running.SIGNALS) as entered:
        yield entered


def run(script: str, attention: Attention, lease: Leased | None = None, **environ: str) -> running.Ended:
    return running.run(
        ["sh", "-c", script], dict(os.environ) | environ, lease or Leased(), attention, SystemClock()
    )


def soon(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("exit 124", 124), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_status_is_the_commands_own(attention: Attention, script: str, status: int) -> None:
    assert run(script, attention) == running.Ended(status, told=False)


def test_it_has_its_environment_and_a_group_of_its_own(attention: Attention, tmp_path: Path) -> None:
    script = f'echo "$CAIRN_LOCK $(ps -o pgid= -p $$) $$" > {tmp_path}/said'
    assert run(script, attention, CAIRN_LOCK="7.1.1.x").status == 0
    lock, group, pid = (tmp_path / "said").read_text().split()
    assert lock == "7.1.1.x"
    assert group == pid
    assert int(group) != os.getpgrp()


def test_a_broken_pipe_ends_it_as_usual(attention: Attention) -> None:
    # Python ignores SIGPIPE, and that is inherited unless it is undone.
    assert run("kill -PIPE $$; exit 0", attention).status == 128 + signal.SIGPIPE


def test_signals_are_passed_on(attention: Attention, tmp_path: Path) -> None:
    script = f"trap 'exit 9' USR1; touch {tmp_path}/ready; while :; do sleep 0.02; done"

    def send() -> None:
        soon(tmp_path / "ready")
        os.kill(os.getpid(), signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    assert run(script, attention) == running.Ended(9, told=False)
    sender.join()


def test_a_lost_lease_ends_it_by_sigterm(attention: Attention, tmp_path: Path) -> None:
    lease = Leased()
    script = (
        f"trap 'touch {tmp_path}/told; exit 0' TERM; touch {tmp_path}/ready; while :; do sleep 0.02; done"
    )

    def lose() -> None:
        soon(tmp_path / "ready")
        lease.is_lost = True
        attention.call()

    loser = threading.Thread(target=lose)
    loser.start()
    assert run(script, attention, lease) == running.Ended(0, told=True)
    loser.join()
    assert (tmp_path / "told").exists()


def test_it_is_told_before_the_lease_ends_where_renewals_fail(attention: Attention) -> None:
    began = time.monotonic()
    ended = run("exec sleep 60", attention, Leased(renewed_at=began))
    assert ended == running.Ended(143, told=True)
    assert TIMES.suspend_ms / 1000 <= time.monotonic() - began


def test_what_does_not_listen_is_killed_with_all_it_started(attention: Attention, tmp_path: Path) -> None:
    # Both the shell and its child in the background ignore SIGTERM; the child would write on.
    script = f"""trap '' TERM
        (while :; do echo >> {tmp_path}/written; sleep 0.02; done) &
        while :; do sleep 0.02; done"""
    ended = run(script, attention, Leased(renewed_at=time.monotonic()))
    assert ended == running.Ended(137, told=True)
    size = (tmp_path / "written").stat().st_size
    time.sleep(0.2)
    assert (tmp_path / "written").stat().st_size == size


def test_a_child_that_outlives_the_told_command_is_killed(attention: Attention, tmp_path: Path) -> None:
    script = f"""(trap '' TERM; touch {tmp_path}/ready
            while :; do echo >> {tmp_path}/written; sleep 0.02; done) &
        while [ ! -e {tmp_path}/ready ]; do sleep 0.02; done; exec sleep 60"""
    ended = run(script, attention, Leased(renewed_at=time.monotonic()))
    assert ended == running.Ended(143, told=True)
    size = (tmp_path / "written").stat().st_size
    time.sleep(0.2)
    assert (tmp_path / "written").stat().st_size == size


def test_what_an_ordinary_end_leaves_running_is_left_alone(attention: Attention, tmp_path: Path) -> None:
    script = f"(while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; touch {tmp_path}/went) & exit 0"
    assert run(script, attention) == running.Ended(0, told=False)
    (tmp_path / "go").touch()
    soon(tmp_path / "went")


def test_a_stopped_command_is_ended_too(attention: Attention) -> None:
    ended = run("kill -STOP $$; exit 0", attention, Leased(renewed_at=time.monotonic()))
    assert ended.told


@pytest.mark.parametrize(
    ("name", "status"), [("no-such-command-anywhere", 127), ("/no/such/command", 127), ("/etc/passwd", 126)]
)
def test_what_is_no_command_is_told_before_all_else(name: str, status: int) -> None:
    with pytest.raises(running.NotRun) as refusal:
        running.check([name])
    assert refusal.value.status == status


def test_a_program_without_a_form_is_not_runnable(attention: Attention, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_bytes(b"\x7fnot a program")
    odd.chmod(0o755)
    running.check([str(odd)])
    with pytest.raises(running.NotRun) as refusal:
        running.run([str(odd)], os.environ, Leased(), attention, SystemClock())
    assert refusal.value.status == 126


def test_the_watchdog_ends_a_group_whose_holder_is_killed(tmp_path: Path) -> None:
    holder = f"""
import os, signal, sys
from cairnfs.cli.watchdog import Watchdog
script = "trap '' TERM; touch {tmp_path}/ready; while :; do echo >> {tmp_path}/written; sleep 0.02; done"
group = os.posix_spawnp("sh", ["sh", "-c", script], os.environ, setpgroup=0)
with Watchdog(group, 0.2):
    print(group, flush=True)
    os.waitpid(group, 0)
"""
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        soon(tmp_path / "ready")
        process.kill()
    end = time.monotonic() + PATIENCE_S
    while running.group_lives(group):
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)


def test_a_watchdog_that_was_killed_is_not_missed() -> None:
    with Watchdog(os.getpgrp(), 1.0) as watchdog:
        os.kill(watchdog.pid, signal.SIGKILL)


def test_handlers_are_as_they_were_afterwards() -> None:
    before = [signal.getsignal(number) for number in running.SIGNALS]
    with Attention(running.SIGNALS) as entered:
        os.kill(os.getpid(), signal.SIGINT)
        assert entered.wait(PATIENCE_S) == [signal.SIGINT]
        entered.call()
        assert entered.wait(PATIENCE_S) == []
        assert entered.wait(0.01) == []
    assert [signal.getsignal(number) for number in running.SIGNALS] == before
    entered.call()


DRIVER = """
import os, sys
from cairnfs.cli import running
from cairnfs.cli.attention import Attention
from cairnfs.clock import SystemClock
from cairnfs.core.leases import LeaseTimes
class Leased:
    times, is_lost = LeaseTimes(), False
    def age_s(self): return 0.0
with Attention(running.SIGNALS) as attention:
    ended = running.run(sys.argv[1:], os.environ, Leased(), attention, SystemClock())
print("status", ended.status, file=sys.stderr)
sys.exit(ended.status)
"""


SHELL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execlp("bash", "bash", "--norc", "--noprofile", "-i")
"""


class AtTerminal:
    """A shell with job control at a terminal, and somebody who types."""

    def __init__(self, home: Path) -> None:
        import pty

        (home / "driver.py").write_text(DRIVER)
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SHELL],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=home,
            env=os.environ | {"PS1": "READY$ ", "RUN": f"{sys.executable} driver.py", "TERM": "dumb"},
        )  # fmt: skip
        os.close(slave)
        self.heard = b""

    def types(self, text: str) -> None:
        os.write(self.master, text.encode())

    def hears(self, text: str) -> None:
        """Wait until the terminal shows it, after what was waited for before."""
        os.set_blocking(self.master, False)
        end = time.monotonic() + PATIENCE_S
        while text.encode() not in self.heard:
            assert time.monotonic() < end, f"no {text!r} in {self.heard!r}"
            try:
                self.heard += os.read(self.master, 4096)
            except BlockingIOError:
                time.sleep(0.01)
        self.heard = self.heard.partition(text.encode())[2]

    def close(self) -> None:
        os.close(self.master)
        self.process.kill()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[AtTerminal]:
    made = AtTerminal(tmp_path)
    made.hears("READY$ ")
    yield made
    made.close()


def test_the_command_reads_from_the_terminal(terminal: AtTerminal) -> None:
    terminal.types("$RUN sh -c 'echo reads; read line; echo \"got <$line>\"; exit 4'\n")
    terminal.hears("\nreads")
    terminal.types("hello\n")
    terminal.hears("got <hello>")
    terminal.hears("status 4")
    terminal.types("echo again $?\n")
    terminal.hears("\nagain 4")


def test_ctrl_c_is_the_commands(terminal: AtTerminal) -> None:
    terminal.types("$RUN sh -c 'trap \"exit 5\" INT; echo runs; while :; do sleep 0.02; done'\n")
    terminal.hears("\nruns")
    terminal.types("\x03")
    terminal.hears("status 5")


def test_ctrl_z_stops_both_and_fg_continues_both(terminal: AtTerminal) -> None:
    terminal.types("$RUN sh -c 'echo runs; read line; echo \"got <$line>\"'\n")
    terminal.hears("\nruns")
    terminal.types("\x1a")
    terminal.hears("Stopped")
    terminal.hears("READY$ ")
    terminal.types("fg\n")
    terminal.hears("\n")
    terminal.types("hello\n")
    terminal.hears("got <hello>")
    terminal.hears("status 0")


def test_in_a_pipeline_it_gets_the_terminal_when_it_reads(terminal: AtTerminal) -> None:
    terminal.types("$RUN sh -c 'echo reads >&2; read line; echo \"got <$line>\"' | cat\n")
    terminal.hears("\nreads")
    terminal.types("hello\n")
    # Who says it first, cat or the driver, is open.
    terminal.hears("READY$ ")
    terminal.types('echo "ended ${PIPESTATUS[0]}"\n')
    terminal.hears("ended 0")


def test_ctrl_c_in_a_pipeline_reaches_it_through_the_one_who_holds(terminal: AtTerminal) -> None:
    terminal.types("$RUN sh -c 'trap \"exit 5\" INT; echo runs >&2; while :; do sleep 0.02; done' | cat\n")
    terminal.hears("\nruns")
    terminal.types("\x03")
    terminal.hears("READY$ ")
    terminal.types('echo "ended ${PIPESTATUS[0]}"\n')
    terminal.hears("ended 5")
