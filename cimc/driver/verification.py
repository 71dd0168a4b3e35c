"""What a verification found, as data and in words, and how large a program is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cimc.base.diagnostics import Diagnostic
from cimc.base.names import printable
from cimc.base.quantities import counted, decibels
from cimc.base.shown import Facts, Shown
from cimc.driver.budget import Cause
from cimc.driver.chip_trials import Trials
from cimc.driver.device_effect import DeviceEffect
from cimc.driver.fidelity import LayerError
from cimc.driver.options import Limits
from cimc.isa.binary.code import code_bytes
from cimc.isa.program import Program


@dataclass(frozen=True, slots=True)
class Sizes:
    """instructions and code_bytes: of all streams. crossbars: MVMUs that hold weights. cores, tiles: in use."""

    instructions: int
    code_bytes: int
    crossbars: int
    cores: int
    tiles: int


def sizes_of(program: Program) -> Sizes:
    """Sizes of a program; of one that runs in rounds those of all phases together, and what any of them uses."""
    tiles = [tile for part in program.parts for tile in part.tiles]
    streams = [(code.stream, tile) for tile in tiles for code in tile.codes]
    cores = [(tile.number, core) for tile in tiles for core in tile.cores]
    return Sizes(
        instructions=sum(len(stream) for stream, _ in streams),
        code_bytes=sum(code_bytes(stream, tile) for stream, tile in streams),
        crossbars=len({(tile, core.number, mvmu) for tile, core in cores for mvmu in core.by_mvmu()}),
        cores=len({(tile, core.number) for tile, core in cores}),
        tiles=len({tile.number for tile in tiles}),
    )


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first place where emulator and reference differ: tensor, element (lane, row, column, channel), both values,
    and the instruction that stored it with its line of the printed program."""

    tensor: str
    element: tuple[int, ...]
    expected: int
    got: int
    instruction: str
    line: int


@dataclass(frozen=True, slots=True, repr=False)
class Verification(Shown, Sizes):
    """Everything that verify reports, the program's sizes too; docs/verify.md has the meaning of every field."""

    model: str
    target: str
    oracle: str
    inputs: int
    mismatches: int
    bit_exact: bool
    faithful: bool
    limits: Limits
    first_mismatch: Mismatch | None
    snr_db: float | None
    max_abs_error: float
    layers: tuple[LayerError, ...]
    top1_float: float | None
    top1_chip: float | None
    device: DeviceEffect | None
    trials: Trials | None
    budget: tuple[Cause, ...] | None
    seconds: Mapping[str, float]
    warnings: tuple[Diagnostic, ...]

    @property
    def passed(self) -> bool:
        """Whether the check succeeds: exact, and faithful where the user says how much that has to be."""
        asked = self.limits.min_snr is not None or self.limits.max_loss is not None
        return self.bit_exact and (self.faithful or not asked) and not self.device_misses()

    def device_misses(self) -> bool:
        """Whether cells and wires make the chip miss what was asked for; of several, on average."""
        if self.device is None:
            return False
        snr, got = self.device.snr_db, self.device.top1
        if self.trials is not None:
            snr = None if self.trials.snr_db is None else self.trials.snr_db.mean
            got = None if self.trials.top1 is None else self.trials.top1.mean
        least, most, right = self.limits.min_snr, self.limits.max_loss, self.top1_float
        if least is not None and snr is not None and snr < least:
            return True
        return most is not None and right is not None and got is not None and 100 * (right - got) > most

    def facts(self) -> Facts:
        """The verdict, and what stands in the table of `cimc verify`."""
        verdict = f"{'exact' if self.bit_exact else 'WRONG'}, {'faithful' if self.faithful else 'NOT FAITHFUL'}"
        return [("verdict", verdict), *self.figures()]

    def figures(self) -> Facts:
        """Network, target, sizes, times and errors."""
        size = f"{counted(self.tiles, 'tile')}, {counted(self.cores, 'core')}, {counted(self.crossbars, 'MVMU')}"
        against = f"SNR {decibels(self.snr_db)} dB, largest error {self.max_abs_error:.3g}"
        found = [
            ("network", Path(self.model).name),
            ("target", f"{self.target}: {size}"),
            ("program", f"{self.instructions:,} instructions, {self.code_bytes:,} bytes"),
            ("time", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())),
            (f"against {self.oracle}", against),
        ]
        if self.top1_float is not None and self.top1_chip is not None:
            right = f"{self.oracle} {100 * self.top1_float:.2f} %, chip {100 * self.top1_chip:.2f} %"
            found.append(("right labels", right))
        if self.trials is not None:
            return [*found, *self.trials.facts()]
        return found if self.device is None else [*found, *self.device.facts()]

    def faithfulness(self) -> str:
        """One line: what the chip's numbers cost against the network."""
        cost = "equal to it" if self.snr_db is None else f"{self.snr_db:.1f} dB"
        if self.top1_float is not None and self.top1_chip is not None:
            cost += f", {100 * (self.top1_float - self.top1_chip):.2f} points of right labels lost"
        asked = [f"at least {self.limits.min_snr:g} dB"] if self.limits.min_snr is not None else []
        asked += [f"at most {self.limits.max_loss:g} points lost"] if self.limits.max_loss is not None else []
        wanted = f" (asked for: {', '.join(asked)})" if asked else ""
        return f"{'faithful' if self.faithful else 'NOT FAITHFUL'}: against {self.oracle} {cost}{wanted}"

    def exactness(self) -> str:
        """One line, and where something differs, what and where."""
        inputs = counted(self.inputs, "input")
        if self.bit_exact:
            return f"exact: {inputs}, every stored value equals the quantised reference, bit for bit"
        text = f"WRONG: {counted(self.mismatches, 'value')} of {inputs} differ from the quantised reference"
        first = self.first_mismatch
        if first is None:
            return text
        element = ", ".join(map(str, first.element))
        line = f", line {first.line} of the program" if first.line else ""
        return (
            f"{text}\n  first: {printable(first.tensor)}[{element}] is {first.got}, should be {first.expected}"
            f"\n  stored by {first.instruction}{line}"
        )
