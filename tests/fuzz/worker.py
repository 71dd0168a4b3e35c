"""The process in which examples run: bounded in memory, fenced in, and ended by its parent when it hangs.

python -m tests.fuzz.worker HANDLE SCRATCH MEMORY: takes work from the connection with that handle.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import shutil
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz.example import Example
from tests.fuzz.fence import Outside, fence
from tests.fuzz.judge import Finding, judge

WORK = "work"
Reply = tuple[list[Finding], list[int]]


def main(handle: int, scratch: Path, memory: int) -> None:
    """Answer requests until the other side closes. memory: bytes beyond those taken at the start."""
    connection: Connection[Reply | None, Example] = Connection(handle)
    faulthandler.enable()
    warnings.simplefilter("always")
    sys.dont_write_bytecode = True
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = memory + pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    fence(scratch)
    connection.send(None)
    while True:
        try:
            example = connection.recv()
        except EOFError:
            return
        connection.send(answer(example, scratch / WORK))


def answer(example: Example, folder: Path) -> Reply:
    """Run one example in a folder that is made for it."""
    os.chdir(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.chdir(folder)
    try:
        example.lay_out(folder)
        return judge(example, folder)
    except Outside as error:
        return [Finding("outside", " / ".join(" ".join(command) for command in example.commands), str(error))], []


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
