"""`python -m bench`: start a cluster, measure, print one table, end the cluster.

What belongs here: the words of the command. Everything it makes lies in one directory below
`bench/results` (or `--directory`), which is removed unless `--keep`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import cairnfs
from bench import report, table
from bench.figures import Figure
from bench.scenarios import SCENARIOS
from bench.site import FULL, QUICK, Scale, Site

_RESULTS = Path(__file__).parent / "results"
#: Streams, their copies, and everything else, in sizes of a stream.
_SPACE = 10
_QUIET_LOAD = 0.5
_BUSY = ", others were at work: these are not this machine's figures, only its figures just now"


def main() -> int:
    """Exit status 0; 1 where a scenario failed: the others' figures are printed all the same."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, _stop)
    scale = QUICK if asked.quick else FULL
    asked.directory.mkdir(parents=True, exist_ok=True)
    _check_space(asked.directory, scale)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=asked.directory))
    began, load = time.monotonic(), os.getloadavg()[0]
    try:
        figures, failures = _measure(directory, scale, asked)
    finally:
        if asked.keep:
            print(f"kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    machine = _machine(scale, time.monotonic() - began, load)
    print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    print("\n" + table.render(figures))
    for failure in failures:
        print(f"\nfailed: {failure}")
    if asked.json:
        asked.json.write_text(report.document(figures, machine) + "\n")
    return 1 if failures else 0


def _measure(directory: Path, scale: Scale, asked: argparse.Namespace) -> tuple[list[Figure], list[str]]:
    figures, failures = [], []
    with Site(directory, scale, asked.beside) as site:
        for name in asked.only or SCENARIOS:
            try:
                figures += SCENARIOS[name](site)
            except Exception as error:  # noqa: BLE001 - the other figures are still wanted
                failures.append(f"{name}: {type(error).__name__}: {error}")
        site.say("")
    return figures, failures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="what Cairn does on this machine, beside the machine's own limits"
    )
    parser.add_argument("--quick", action="store_true", help="shorter runs, smaller sizes: a few minutes")
    parser.add_argument("--only", action="append", default=[], choices=SCENARIOS, help="may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs there too")
    parser.add_argument(
        "--directory", type=Path, default=_RESULTS, help="where to work; its disk is what is measured"
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        type=_mounted,
        metavar="NAME=DIRECTORY",
        help="copy the same files into a mounted volume of another system too; may be repeated",
    )
    parser.add_argument("--keep", action="store_true", help="do not remove the cluster's directory")
    return parser.parse_args()


def _mounted(text: str) -> tuple[str, Path]:
    name, _, directory = text.partition("=")
    if not name or not Path(directory).is_dir():
        raise argparse.ArgumentTypeError("give NAME=DIRECTORY, a directory that is there")
    return name, Path(directory)


def _check_space(directory: Path, scale: Scale) -> None:
    free, needed = shutil.disk_usage(directory).free, _SPACE * scale.stream_bytes
    if free < needed:
        sys.exit(f"bench: {directory} has {free >> 30} GiB free and {needed >> 30} are needed; try --quick")


def _machine(scale: Scale, seconds: float, load: float) -> dict[str, object]:
    return {
        "cairnfs": cairnfs.__version__,
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}",
        "before": f"load {load:.1f}{_BUSY if load > _QUIET_LOAD else ''}",
        "cluster": "1 control plane (SQLite), 3 fileservers, 3 copies, all on this machine and one disk",
        "clients": "each a process of its own; by python: the synchronous Python client; by PostgreSQL: the"
        " same, of a control plane alone on a PostgreSQL",
        "runs": f"median of {scale.repeats}, the machine's limit taken before each; {seconds:.0f} s in all",
    }


def _stop(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
