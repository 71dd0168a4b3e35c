"""How long the verifier and the timing engine take: `python benchmarks/timing_speed.py [FOLDER] [--target NAME]`.

FOLDER: a program that `cimc compile` wrote. Without one, ResNet-50 for 224x224 inputs is compiled for 16 PUMA chips
first, with random weights, which takes a minute or two. Times are of the processor; the yardstick, a fixed amount of
work of the same sort in the same run, tells a slow machine from slow code.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from heapq import heapify, heappushpop
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import networks
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.isa.program import Program
from cimc.isa.verify.verifier import verify
from cimc.runtime.package import load_package
from cimc.runtime.timing.engine import time_program
from cimc.target import load_target

CHIPS = 16
WAITING, SERVED = 10_000, 1_000_000


def yardstick() -> None:
    """A million claims of one unit each, by ten thousand streams that take turns."""
    queue = [(float(number), number) for number in range(WAITING)]
    heapify(queue)
    free = [0.0] * 1000
    entry = (0.0, 0)
    for _ in range(SERVED):
        now, number = heappushpop(queue, entry)
        unit = number % 1000
        start = max(now, free[unit])
        free[unit] = start + 1.0
        entry = start + 3.0, number


def seconds(work: Callable[[], object]) -> float:
    """Processor time that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def resnet50() -> Program:
    """The program that is measured where none is given."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resnet50.onnx"
        onnx.save(networks.resnet50(), file)
        return compile_network(str(file), CompileOptions("puma", chips=CHIPS)).program


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="seconds of the verifier and the timing engine")
    parser.add_argument("folder", nargs="?", type=Path, help="a compiled program; ResNet-50 is compiled without one")
    parser.add_argument("--target", default="puma", help="whose prices to take; puma if not given")
    chosen = parser.parse_args()
    try:
        program = load_package(chosen.folder).program if chosen.folder else resnet50()
        target = load_target(chosen.target)
    except CimcError as error:
        sys.exit(str(error))
    streams = [core.stream for tile in program.tiles for core in tile.cores]
    streams += [channel.stream for tile in program.tiles for channel in tile.channels]
    instructions = sum(map(len, streams))
    print(f"{program.name}: {len(program.tiles):,} tiles, {len(streams):,} streams, {instructions:,} instructions")
    measure = seconds(yardstick)
    print(f"{'yardstick':<14}{measure:>8.2f} s")
    for name, work in (("verify", lambda: verify(program, target)), ("time", lambda: time_program(program, target))):
        spent = seconds(work)
        print(f"{name:<14}{spent:>8.2f} s{spent / measure:>8.1f} yardsticks")


if __name__ == "__main__":
    main()
