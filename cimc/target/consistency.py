"""Values that are sensible one by one and cannot be true together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cimc.base.diagnostics import Diagnostic, Place
from cimc.target.keys import Path
from cimc.target.model import Target


def check_consistency(target: Target, place: Callable[[Path], Place]) -> list[Diagnostic]:
    """Every contradiction in a target. `place` tells where a key was set."""
    return [
        Diagnostic("target.inconsistent", what, place(path), todo)
        for rule in (_widths, _encoding, _slices, _sums, _writing)
        for path, what, todo in rule(target)
    ]


def _widths(target: Target) -> Iterator[tuple[Path, str, str]]:
    numbers = target.numbers
    if numbers.word % 8:
        yield (
            ("numbers", "word"),
            f"a word of {numbers.word} bits is not a whole number of bytes",
            "use a multiple of 8",
        )
    if numbers.input > numbers.word:
        yield (
            ("numbers", "input"),
            f"inputs of {numbers.input} bits do not fit words of {numbers.word} bits",
            "make numbers.word wider or numbers.input narrower",
        )
    if target.crossbar.dac_bits > numbers.input:
        yield (
            ("crossbar", "dac_bits"),
            f"a DAC of {target.crossbar.dac_bits} bits is wider than inputs of {numbers.input} bits",
            "make crossbar.dac_bits at most numbers.input",
        )


def _encoding(target: Target) -> Iterator[tuple[Path, str, str]]:
    if target.mvmu.flipped and target.mvmu.encoding != "offset":
        yield (
            ("mvmu", "flipped"),
            f'columns cannot be flipped with encoding "{target.mvmu.encoding}"',
            'set mvmu.flipped to false, or mvmu.encoding to "offset"',
        )


def _slices(target: Target) -> Iterator[tuple[Path, str, str]]:
    bits = target.numbers.weight
    needed = target.slices(bits) * target.cells_abreast
    side_by_side = target.mvmu.slices == "columns"
    places, kind = (target.crossbar.columns, "columns") if side_by_side else (target.mvmu.crossbars, "crossbars")
    if needed > places:
        yield (
            ("crossbar", "columns") if side_by_side else ("mvmu", "crossbars"),
            f"a {bits}-bit weight needs {needed} {kind} in {target.crossbar.cell_bits}-bit cells "
            f"({target.mvmu.encoding} encoding), and there are {places}",
            f"give it {needed} {kind}, more crossbar.cell_bits, or a narrower numbers.weight",
        )


def _sums(target: Target) -> Iterator[tuple[Path, str, str]]:
    numbers = target.numbers
    if target.mvmu.round != "none":
        return
    if numbers.accumulator > numbers.word:
        yield (
            ("numbers", "accumulator"),
            f"sums of {numbers.accumulator} bits do not fit words of {numbers.word} bits, and nothing rounds them",
            'make numbers.word wider, or set mvmu.round to "shift"',
        )
    sum_bits = numbers.weight + numbers.input + (target.crossbar.rows - 1).bit_length()
    if sum_bits > numbers.accumulator:
        yield (
            ("mvmu", "round"),
            f"a sum over {target.crossbar.rows} rows of {numbers.weight}-bit weights times {numbers.input}-bit inputs "
            f"has up to {sum_bits} bits; the accumulator has {numbers.accumulator} and nothing rounds",
            'set mvmu.round to "shift", or make numbers.accumulator wider',
        )


def _writing(target: Target) -> Iterator[tuple[Path, str, str]]:
    if target.chip.resident == "one layer" and target.writing is None:
        yield (
            ("chip", "resident"),
            "layers take turns on the crossbars, and the target does not say what writing them takes",
            'add [writing], or set chip.resident to "all layers"',
        )
