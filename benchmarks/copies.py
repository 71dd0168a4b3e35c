"""What copies of layers' weights are worth on puma: inputs with one copy of each layer, and within a budget.

    python benchmarks/copies.py [FOLDER OF MODELS]

Networks are calibrated on random inputs, which changes no time. It takes a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cimc.driver.compile import Compiled, compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verification import sizes_of
from cimc.runtime.timing.engine import time_program
from tests.shared_data import MODELS

BUDGETS: Mapping[str, int] = {
    "mnist_lenet5x5_b-rram": 12,
    "mnist-8_zoo_cntk": 12,
    "cifar10_resnet20": 118,
    "squeezenet1.0-deepcompressed": 218,
    "superres_espcn_x3": 56,
}
"""MVMUs by the network's file, without its suffix."""


def row(compiled: Compiled) -> str:
    """MVMUs, tiles, time between inputs and energy of a program."""
    sizes, timing = sizes_of(compiled.program), time_program(compiled.program, compiled.target)
    assert timing.interval is not None, "more than one input was timed"
    size = f"{sizes.crossbars:,} MVMUs on {sizes.tiles}"
    return f"{size} | {timing.interval * 1e3:.3f} ms | {timing.joules * 1e6:,.1f} uJ"


def main(folder: Path) -> None:
    """Print the table."""
    print("| network | one copy, tiles | between inputs | energy | with copies | between inputs | energy |")
    print("|---|---|---:|---:|---|---:|---:|")
    for name, mvmus in BUDGETS.items():
        cells = [
            row(compile_network(folder / f"{name}.onnx", CompileOptions(target="puma", mvmus=budget)))
            for budget in (None, mvmus)
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else MODELS)
