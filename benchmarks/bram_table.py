"""Table 2 of Wu et al. beside cimc's estimate: `python benchmarks/bram_table.py`. docs/bram-table.md explains it.

Then the time that the estimate of a large network takes, VGG-16 and ResNet-50 for 224x224 inputs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import networks
from cimc.driver.options import EstimateOptions
from cimc.estimator.estimate import Estimate
from cimc.estimator.estimating import estimate_network
from cimc.report.view_table import new_table


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the paper's table 2 as printed, the chip it is for, and the crossbars that its copies really take."""

    network: str
    build: Callable[[], onnx.ModelProto]
    target: str
    budget: int
    devices: str
    flops: str
    crossbars: str
    crossbars_with_copies: str
    ops: str
    tile_ops: str
    latency_ms: str
    pipelined_ms: str
    with_copies_ms: str
    energy_mj: str


COLUMNS = (
    "devices", "flops", "crossbars", "crossbars_with_copies", "ops", "tile_ops", "latency_ms", "pipelined_ms",
    "with_copies_ms", "energy_mj",
)  # fmt: skip

TABLE = (
    Published("LeNet", networks.lenet, "bram-soc", 9,
              "6.4k", "273k", "6", "9", "641", "707", "0.46", "0.42", "0.05", "0.0019"),
    Published("VGG-8", networks.vgg8, "bram-256", 87,
              "1.1M", "77.8M", "78", "85", "2690", "7713", "1.94", "0.74", "0.19", "0.023"),
    Published("ResNet-18", networks.resnet18, "bram-256", 1558,
              "22.3M", "1.1G", "1480", "1554", "6801", "81922", "4.90", "0.75", "0.20", "0.24"),
)  # fmt: skip

LARGE = {"VGG-16": networks.vgg16, "ResNet-50": networks.resnet50}
MULTIPLES = {"k": 1e3, "M": 1e6, "G": 1e9}


def ours(row: Published) -> Estimate:
    """The estimate of a row's network: whole input channels in a crossbar, copies balanced within the row's budget."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        onnx.save(row.build(), file)
        found = estimate_network(str(file), EstimateOptions(row.target, rows="channels", budget=row.budget))
    assert isinstance(found, Estimate), f"{row.target} holds one layer at a time"
    return found


def printed_like(printed: str, value: float) -> str:
    """A value with the multiple and the digits that the paper prints."""
    multiple = printed[-1] if printed[-1] in MULTIPLES else ""
    digits = len(printed.removesuffix(multiple).partition(".")[2])
    return f"{value / MULTIPLES.get(multiple, 1):.{digits}f}{multiple}"


def values(found: Estimate) -> dict[str, float]:
    """The table's columns of an estimate."""
    assert found.latency is not None and found.pipelined_latency is not None, found.target
    assert found.pipelined_latency_with_copies is not None and found.joules is not None, found.target
    return {
        "devices": found.devices,
        "flops": found.flops,
        "crossbars": found.crossbars,
        "crossbars_with_copies": found.crossbars_with_copies,
        "ops": found.ops,
        "tile_ops": found.tile_ops,
        "latency_ms": 1e3 * found.latency,
        "pipelined_ms": 1e3 * found.pipelined_latency,
        "with_copies_ms": 1e3 * found.pipelined_latency_with_copies,
        "energy_mj": 1e3 * found.joules,
    }


def main() -> None:
    """Print both."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=130)
    heads = ("devices>", "FLOPs>", "crossbars>", "with copies>", "ops>", "tile ops>", "latency ms>", "pipelined>")
    table = new_table("network", "from", *heads, "with copies>", "mJ/input>")
    notes = []
    for row in TABLE:
        found = ours(row)
        mine = {name: printed_like(getattr(row, name), value) for name, value in values(found).items()}
        table.add_row(row.network, "paper", *(getattr(row, name) for name in COLUMNS))
        differs = {name for name in COLUMNS if mine[name] != getattr(row, name)}
        table.add_row("", "cimc", *(f"[yellow]{mine[c]}[/]" if c in differs else mine[c] for c in COLUMNS))
        copies = ", ".join(f"{layer.copies} of {layer.name}" for layer in found.layers if layer.copies > 1)
        notes.append(f"{row.network}: copies {copies}; differs from the paper in: {', '.join(sorted(differs)) or '-'}")
    console.print(table)
    console.print("\n".join(notes))
    console.print()
    for name, build in LARGE.items():
        for weights in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "network.onnx"
                onnx.save(build(weights), file)
                start = time.perf_counter()
                found = estimate_network(str(file), EstimateOptions("isaac", budget=16 * 16_128))
                seconds = time.perf_counter() - start
                size = f"{file.stat().st_size / 1e6:.1f} MB"
            console.print(f"{name} for 224x224, {size}, {found.crossbars:,} crossbars: estimated in {seconds:.2f} s")


if __name__ == "__main__":
    main()
