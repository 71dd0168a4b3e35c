"""VGG-16 and ResNet-50 for 224x224 inputs, mapped onto PUMA chips with copies and places, and timed.

    python benchmarks/large_networks.py [vgg16] [resnet50]

Weights are random. Each network is compiled once with one copy of every layer and once with copies, and prints the
processor time of every step, the largest memory, and what the timing engine says. Each run is a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MVMUS: Mapping[str, int] = {"vgg16": 8700, "resnet50": 3200}
"""Budgets of the runs with copies: one copy of every layer takes 8,485 and 1,583."""
CHIPS = 8


def measured(name: str, mvmus: int | None) -> dict[str, Any]:
    """Compile and time a network in a process of its own: steps (s of processor time), and results."""
    command = [sys.executable, str(Path(__file__).resolve()), "--run", name, str(mvmus or 0)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(name: str, mvmus: int | None) -> dict[str, Any]:
    """The same in this process."""
    import resource

    import onnx

    from benchmarks import networks
    from cimc.driver.compile import compile_network
    from cimc.driver.options import CompileOptions
    from cimc.runtime.timing.engine import time_program

    model = {"vgg16": networks.vgg16, "resnet50": networks.resnet50}[name]()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.onnx"
        onnx.save(model, file)
        del model
        steps: dict[str, float] = {}
        started = time.process_time()
        last = [started, "start"]

        def step(what: str) -> None:
            now = time.process_time()
            steps[str(last[1])] = now - float(last[0])
            last[:] = [now, what]

        step("start")
        compiled = compile_network(file, CompileOptions(target="puma", mvmus=mvmus, chips=CHIPS), progress=step)
        step("timing")
        timing = time_program(compiled.program, compiled.target)
        step("end")
    travel = compiled.scheduled.travel
    assert travel is not None, "tiles have no places"
    return {
        "network": name,
        "mvmus": sum(len(core.by_mvmu()) for tile in compiled.program.tiles for core in tile.cores),
        "tiles": len(compiled.program.tiles),
        "chips": compiled.program.chips,
        "hops": [one.hops for one in travel],
        "off_chip": [one.off_chip for one in travel],
        "latency": timing.latency,
        "interval": timing.interval,
        "joules": timing.joules,
        "bottleneck": f"{timing.bottleneck.name} {timing.bottleneck.why}",
        "steps": {what: seconds for what, seconds in steps.items() if what != "start"},
        "seconds": time.process_time() - started,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main(arguments: list[str]) -> None:
    """Print what was measured."""
    if arguments[:1] == ["--run"]:
        print(json.dumps(run(arguments[1], int(arguments[2]) or None)))
        return
    for name in arguments or list(MVMUS):
        for budget in (None, MVMUS[name]):
            found = measured(name, budget)
            print(f"{name}, {found['mvmus']:,} MVMUs on {found['tiles']} tiles of {found['chips']} chips")
            steps = ", ".join(f"{what} {seconds:.1f}" for what, seconds in found["steps"].items())
            print(f"  {found['seconds']:.1f} s of processor time ({steps}); {found['gib']:.2f} GiB at most")
            before, after = found["hops"]
            print(f"  {before:,} flit hops in network order, {after:,} after moving tiles")
            print(
                f"  first input {found['latency'] * 1e3:.2f} ms, then one every {found['interval'] * 1e3:.2f} ms, ",
                end="",
            )
            print(f"{found['joules'] * 1e3:.1f} mJ an input")
            print(f"  limit: {found['bottleneck']}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
