"""A real process killed by SIGKILL while it writes: whatever it said was stored is there afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.store import Options, Store
from cairnfs.ids import Hash
from tests.unit.fileserver.shelves import CLUSTER, SERVER, datum, hash_of

OPTIONS = Options(segment_bytes=1 << 20, flush_entries=200)

WRITER = """
import random, sys
from pathlib import Path
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.writer import Writer
from tests.unit.fileserver.shelves import datum, put
from tests.unit.fileserver.test_sigkill import OPTIONS

def tell(numbers, begin):
    def done(answer):
        assert isinstance(answer, list), answer
        sys.stdout.write("".join(f"{number} {begin}\\n" for number in numbers))
        sys.stdout.flush()
    return done

chosen = random.Random(int(sys.argv[2]))
writer = Writer(Store.open(Path(sys.argv[1]), options=OPTIONS))
begin = int(sys.argv[3])
while True:
    begin += 1
    numbers = [chosen.randrange(3000) for _ in range(chosen.randint(1, 8))]
    puts = [put(datum(number, 20 + number), begin) for number in numbers]
    future = writer.submit(puts)
    future.add_done_callback(lambda one, done=tell(numbers, begin): done(one.result()))
    if chosen.random() < 0.5:
        future.result()
"""


@pytest.mark.loud
def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path, seed: int) -> None:
    directory = tmp_path / "fileserver"
    claim(directory, CLUSTER, SERVER)
    chosen = random.Random(seed)
    acknowledged: dict[int, int] = {}
    for life in range(6):
        command = [sys.executable, "-c", WRITER, str(directory), str(seed + life), str(life * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(chosen.randint(1, 600))]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines(keepends=True)
            assert process.wait() == -signal.SIGKILL
        told = [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
        assert told, "it must have acknowledged something before it died"
        for number, begin in told:
            acknowledged[number] = max(begin, acknowledged.get(number, 0))
        if chosen.random() < 0.3:
            for path in (directory / "index").iterdir():
                path.unlink()
        store = Store.open(directory, options=OPTIONS)
        listed: dict[Hash, int] = {}
        low: bytes | None = bytes(32)
        while low is not None:
            page = store.inventory(low)
            assert not page.corrupt
            listed.update({held.hash: held.begin for held in page.chunks})
            low = page.next
        for number, begin in acknowledged.items():
            data = datum(number, 20 + number)
            assert store.get(hash_of(data)) == data
            assert listed[hash_of(data)] >= begin
        for chunk in listed:
            assert hash_of(store.get(chunk)) == chunk
        store.close()
    assert len(acknowledged) > 100
