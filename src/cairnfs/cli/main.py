"""The entry of the `cairn` command: however a command ends, one line and an exit status come out.

What belongs here: starting a command, ending the process. What does not: which commands there are
(`commands.py`), what an error is called (`exits.py`). Keep the imports few: each start pays for them.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from cairnfs.cli import streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def run() -> int:
    """Run the command that this process was started for. A server's exit status; a command ends here."""
    arguments = sys.argv[1:]
    streams.stand_in_for_closed()
    if arguments[:1] == ["serve"]:
        return guarded(lambda: _serve(arguments[1:]))
    try:
        status = guarded(lambda: _command(arguments))
    except SystemExit as told:
        status = told.code if isinstance(told.code, int) else 1
    # Not by the interpreter's own end: that would wait for a thread that still reads standard input.
    sys.stderr.flush()
    os._exit(status)


def _serve(arguments: list[str]) -> int:
    # A server needs neither typer nor what comes with it.
    from cairnfs.cli import serve

    return serve.main(arguments)


def _command(arguments: list[str]) -> int:
    # Imported late, so that whoever presses Ctrl-C meanwhile is answered as at any other time.
    from cairnfs.cli import commands

    return commands.dispatch(arguments)


def guarded(work: Callable[[], int]) -> int:
    """The status of `work`, or of what went wrong in it, which is said in one line on stderr."""
    _leave_when_told()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character is shown its number, not an error.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _die_of_the_broken_pipe()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- the last line of defence
        return _told(error)


def _told(error: BaseException) -> int:
    from cairnfs.cli import exits

    if os.environ.get("CAIRN_DEBUG"):
        import traceback

        traceback.print_exception(error)
    try:
        sys.stdout.flush()
    except OSError:
        _output_to_nowhere()
    try:
        print(f"cairn: {exits.line_of(error)}", file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return exits.status_of(error)


def _leave_when_told() -> None:
    """SIGTERM and SIGHUP end a command as an exception does: what it made for a moment is removed."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, leave)


def _die_of_the_broken_pipe() -> NoReturn:
    """End as programs do whose reader has gone: by SIGPIPE, without a word."""
    _output_to_nowhere()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    sys.exit(0)


def _output_to_nowhere() -> None:
    """What cannot be written stays unwritten, and the interpreter does not complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
