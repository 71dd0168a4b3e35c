"""A worker with a watch beside it: an example that hangs, or takes its process with it, is a finding like others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from tests.fuzz.example import Example
from tests.fuzz.judge import Finding
from tests.fuzz.worker import Reply

ROOT = Path(__file__).resolve().parents[2]
SECONDS, GIBIBYTES = 30.0, 8.0
START_SECONDS = 120.0
MOST_EXAMPLES = 400
"""After so many a fresh process takes over, so that what one leaves in memory can't matter for long."""


class Watched:
    """Runs examples one after the other in a process of its own, in a folder of its own. To be used in `with`."""

    def __init__(self, seconds: float = SECONDS, gibibytes: float = GIBIBYTES) -> None:
        self.seconds, self.memory = seconds, int(gibibytes * (1 << 30))
        self._scratch = tempfile.TemporaryDirectory(prefix="cimc-fuzz-")
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Example, Reply] | None = None
        self._done = 0

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._scratch.cleanup()

    def run(self, example: Example) -> Reply:
        """The findings and exit codes of an example. Its commands are unknown to a finding that ended the process."""
        if self._done >= MOST_EXAMPLES:
            self._stop()
        connection = self._connection or self._start()
        self._done += 1
        try:
            connection.send(example)
            if connection.poll(self.seconds):
                return connection.recv()
        except (EOFError, ConnectionResetError, BrokenPipeError):
            code = self._stop()
            return [Finding("died", "", f"exit code {code}\n{self._log()[-2000:]}")], []
        assert self._process is not None
        self._process.send_signal(signal.SIGABRT)  # the worker says where it is and ends
        self._stop()
        return [Finding("hang", "", f"more than {self.seconds:g} s\n{self._log()[-2000:]}")], []

    def _start(self) -> Connection[Example, Reply]:
        scratch = Path(self._scratch.name)
        connection, other = Pipe()
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch / "plots"),
            "NUMBA_CACHE_DIR": str(scratch / "kernels"),
            "HOME": str(scratch), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        }  # fmt: skip
        words = [sys.executable, "-m", "tests.fuzz.worker", str(other.fileno()), str(scratch), str(self.memory)]
        with (scratch / "log").open("wb") as log:
            self._process = subprocess.Popen(
                words, pass_fds=[other.fileno()], env=environment, cwd=scratch, stdout=log, stderr=log
            )
        other.close()
        assert connection.poll(START_SECONDS), f"the worker does not start: {self._log()}"
        try:
            connection.recv()
        except EOFError:
            raise AssertionError(f"the worker does not start: {self._log()}") from None
        self._connection, self._done = connection, 0
        return connection

    def _stop(self) -> int | None:
        """End the process; its exit code."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return None
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code

    def _log(self) -> str:
        return (Path(self._scratch.name) / "log").read_text(encoding="utf-8", errors="replace")
