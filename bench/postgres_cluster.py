"""A control plane on a PostgreSQL of its own, without fileservers: what names and locks need.

What belongs here: how such a cluster starts and ends. What does not: what every cluster of the bench is
(`cluster.py`). The server's files lie in the system's temporary directory, since it runs as `nobody`.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from bench import processes
from bench.cluster import CONTROL, Cluster
from bench.crew import Member
from cairnfs.local import ports
from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres

_READY_WITHIN_S = 30.0
_END_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.05


class PostgresCluster(Cluster):
    """`with PostgresCluster(directory) as cluster:` runs one."""

    def __init__(self, directory: Path) -> None:
        """`directory` holds everything but the database; it is made."""
        directory.mkdir(parents=True)
        super().__init__(directory)
        self._log = directory / "control.log"
        self._stack = ExitStack()
        self._server: TemporaryPostgres | None = None

    def __enter__(self) -> PostgresCluster:
        """Start it; whoever the environment names is its administrator when this returns."""
        try:
            self._server = self._stack.enter_context(temporary_postgres("shared_buffers=128MB"))
            self._serve(self._server.dsn)
            self._enrol()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the control plane, then its database."""
        self._stack.close()

    def cpu_s(self) -> dict[str, float]:
        """Processor time so far, of the control plane and of the database's processes together."""
        spent = {CONTROL: sum(processes.cpu_s(pid) for pid in self.pids().values())}
        if self._server is not None:
            family = processes.children([self._server.process.pid])
            spent["postgresql"] = sum(processes.cpu_s(pid) for pid in family)
        return spent

    def database_bytes(self) -> int:
        """The size of all tables with their indexes."""
        return self.look("SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'")

    def look(self, text: str) -> int:
        """What a query for one number gives."""
        import psycopg

        assert self._server is not None
        with psycopg.connect(self._server.dsn) as connection:
            row = connection.execute(text.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def _serve(self, dsn: str) -> None:
        words = ["serve", CONTROL, "--data", str(self.data), "--database", dsn, "--port", str(self.port)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self.command(*words),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._stack.callback(_stop, process)
        until = time.monotonic() + _READY_WITHIN_S
        while not ports.answers("127.0.0.1", self.port):
            if process.poll() is not None or time.monotonic() > until:
                raise OSError(f"the control plane does not serve: {self._log.read_text()[-500:]}")
            time.sleep(_LOOK_EVERY_S)

    def _enrol(self) -> None:
        member = Member(self.environment, self._log)
        try:
            member.order("enrol", data=str(self.data), port=self.port)
            member.reply()
        finally:
            member.end()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
