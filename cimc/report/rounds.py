"""Rounds in the mapping report, as data and as a table. Times in seconds, energies in joules, sizes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from cimc.base.quantities import counted, per_second, percent, si
from cimc.base.shown import Facts
from cimc.isa.program import Program
from cimc.report.cost_model import Share
from cimc.report.view_table import new_table
from cimc.runtime.timing.rounds import RoundsTiming, RoundWork, Wear, wear_facts, wear_of, work_of
from cimc.target.model import Target

ROUNDS_LEGEND = """\
cells: written once for the inputs that share a round; words: of weights that come from off-chip memory for it; of one
input over the chip's link, in and out; and in and out of tile memory where maps wait; times and energies: for all
inputs that share a round"""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """A round. layers: by name. mvmus: that it writes; cells: of them that are written.

    weight_words: that come from off-chip memory to be written; words_in, words_out: of one input, from off-chip memory
    or the host and back; kept_words: of one input, in and out of tile memory where maps wait. write_seconds,
    write_joules: of writing; run_seconds, run_joules: of all inputs that share the round; None where the target lacks a
    price.
    """

    round: int
    layers: tuple[str, ...]
    mvmus: int
    cells: int
    weight_words: int
    words_in: int
    words_out: int
    kept_words: int
    write_seconds: float | None
    write_joules: float | None
    run_seconds: float | None
    run_joules: float | None


@dataclass(frozen=True, slots=True)
class RoundsReport:
    """A program that runs in rounds.

    shared: inputs that share one writing. off_chip_words: of one input, in and out, its share of the weights included.
    writes: of the most written cell while the inputs that share a round go through all of them; endurance: writes that
    a cell bears; worn_after, worn_seconds: inputs, and seconds at this rate, until that one is worn out. seconds: from
    the first write to the last result of the inputs that share a round; writing_seconds: of it, writing; latency: until
    the first is out; interval: seconds an input; rate: inputs a second. joules: of one input, writing_joules of it in
    writing; by_component: the largest first. None, and no component, where the target does not say.
    """

    shared: int
    rounds: tuple[RoundReport, ...]
    off_chip_words: float
    writes: int
    endurance: int | None
    worn_after: int | None
    worn_seconds: float | None
    seconds: float | None
    writing_seconds: float | None
    latency: float | None
    interval: float | None
    rate: float | None
    joules: float | None
    writing_joules: float | None
    by_component: tuple[Share, ...]

    @staticmethod
    def of(program: Program, target: Target, names: Sequence[str], timing: RoundsTiming | None) -> RoundsReport:
        """What a program's rounds take. names: of its layers; timing: None where the target lacks a price."""
        work, wear = work_of(program, target), wear_of(program, target)
        maps, weights = sum(one.words_in + one.words_out for one in work), sum(one.weight_words for one in work)
        whole = {name: None if timing is None else getattr(timing, name) for name in _WHOLE}
        return RoundsReport(
            shared=program.shared,
            rounds=tuple(_round(number, one, names, timing) for number, one in enumerate(work)),
            off_chip_words=maps + weights / program.shared,
            writes=wear.writes,
            endurance=wear.endurance,
            worn_after=wear.worn_after,
            by_component=() if timing is None else _shares(timing.joules_by_component, timing.joules),
            **whole,
        )

    def facts(self) -> Facts:
        """The same as the timing says them, as far as they are known."""
        found = [("rounds", f"{len(self.rounds)}, {counted(self.shared, 'input')} through each")]
        if self.seconds is not None and self.latency is not None and self.rate is not None:
            writing = f"{si(self.writing_seconds or 0.0, 's')} of it writing"
            found += [
                ("a round trip", f"{si(self.seconds, 's')}, {writing}"),
                ("latency", si(self.latency, "s")),
                ("a stream", f"{per_second(self.rate)} inputs a second"),
            ]
        if self.joules is not None:
            part = si(self.writing_joules or 0.0, "J")
            found.append(("energy", f"{si(self.joules, 'J')} an input, {part} of it in writing"))
        found.append(("off-chip traffic", f"{self.off_chip_words:,.0f} words an input"))
        return [*found, *wear_facts(Wear(self.writes, self.endurance, self.worn_after), self.worn_seconds)]


_WHOLE = (
    "worn_seconds", "seconds", "writing_seconds", "latency", "interval", "rate", "joules", "writing_joules",
)  # fmt: skip
_COUNTED = ("mvmus", "cells", "weight_words", "words_in", "words_out", "kept_words")
_PAID = ("write_seconds", "write_joules", "run_seconds", "run_joules")


def _round(number: int, work: RoundWork, names: Sequence[str], timing: RoundsTiming | None) -> RoundReport:
    """One round."""
    counts: dict[str, Any] = {name: getattr(work, name) for name in _COUNTED}
    paid: dict[str, Any] = {name: None if timing is None else getattr(timing.rounds[number], name) for name in _PAID}
    return RoundReport(round=number, layers=tuple(names[layer] for layer in work.layers), **counts, **paid)


def rounds_table(report: RoundsReport) -> Table:
    """Round after round."""
    table = new_table("round>", "layers", "MVMUs>", "cells>", "words: weights>", "in>", "out>", "kept>",
                      "writing>", "energy>", "computing>", "energy>")  # fmt: skip
    for one in report.rounds:
        paid = [
            "" if value is None else si(value, unit)
            for value, unit in zip((getattr(one, name) for name in _PAID), "sJsJ", strict=True)
        ]
        first, last = one.layers[:1], one.layers[-1:] if len(one.layers) > 1 else ()
        layers = " ... ".join((*first, *last))
        numbers = (one.mvmus, one.cells, one.weight_words, one.words_in, one.words_out, one.kept_words)
        table.add_row(str(one.round), layers, *(f"{number:,}" for number in numbers), *paid)
    return table


def _shares(joules: Mapping[str, float], whole: float) -> tuple[Share, ...]:
    return tuple(Share(name, amount, percent(amount, whole)) for name, amount in joules.items() if amount)
