"""Mutations: whatever is broken in a program is seen by the verifier, as a deadlock, or as a difference.

A test suite that would pass a broken compiler proves nothing; here each fault is made on purpose, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cimc.base.diagnostics import CimcError
from cimc.crossbar.device import IDEAL as IDEAL_CELLS
from cimc.crossbar.device import Conductances
from cimc.crossbar.storage import Cells
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.isa.operands import Affine, Axis, DataRef, Reg, Window
from cimc.isa.program import Instruction, Program, TileCode
from cimc.isa.text.printer import print_instruction
from cimc.isa.verify.verifier import verify as verify_program
from cimc.numerics.keys import Key
from cimc.runtime.sites import Deadlock
from cimc.runtime.step import StepEngine
from tests.laws.digits import compiled, digits, varied
from tests.passes.end_to_end import IDEAL, PUMA

LANES = 6
SPREAD = varied(PUMA, tile={"cores": 2}, crossbar={"rows": 64})
"""puma with partial sums and with maps that cross tiles."""
TARGETS = {"ideal": IDEAL, "puma": PUMA, "spread": SPREAD}
SYNCHRONISATION = ("wait", "space", "release", "signal")


@cache
def residual(name: str) -> Compiled:
    """The bundled residual network for a target."""
    return compiled("digits_residual", TARGETS[name])


@cache
def reference(name: str) -> Mapping[str, npt.NDArray[np.int64]]:
    return reference_maps(residual(name), {"input": digits("test", LANES)})


def verdict(made: Compiled, name: str, skip_verifier: bool = False) -> str:
    """Who catches a program: "verifier", "deadlock", "difference", or "" for nobody."""
    try:
        if not skip_verifier:
            verify_program(made.program, made.target)
    except CimcError:
        return "verifier"
    try:
        execution = StepEngine(made.program, made.weights, made.target).run(
            {"input": digits("test", LANES)}, capture=True
        )
    except Deadlock:
        return "deadlock"
    return "difference" if differences(made, reference(name), execution)[0] else ""


@dataclass(frozen=True, slots=True)
class Spot:
    """An instruction: where it stands and what it is."""

    tile: int
    unit: str
    number: int
    index: int
    instruction: Instruction

    def __str__(self) -> str:
        text = " ".join(print_instruction(self.instruction).split())
        return f"tile {self.tile} {self.unit} {self.number} instruction {self.index}: {text}"


def spots(program: Program, *mnemonics: str) -> Iterator[Spot]:
    """Every instruction with one of the mnemonics."""
    for tile in program.tiles:
        for unit, codes in (("core", tile.cores), ("channel", tile.channels)):
            for code in codes:
                for index, instruction in enumerate(code.stream):
                    if instruction.mnemonic in mnemonics:
                        yield Spot(tile.number, unit, code.number, index, instruction)


def with_stream(program: Program, spot: Spot, edit: Callable[[list[Instruction]], None]) -> Program:
    """The program with one stream edited in place."""

    def changed(tile: TileCode) -> TileCode:
        if tile.number != spot.tile:
            return tile
        field = "cores" if spot.unit == "core" else "channels"
        codes = []
        for code in getattr(tile, field):
            if code.number == spot.number:
                stream = list(code.stream)
                edit(stream)
                code = replace(code, stream=tuple(stream))
            codes.append(code)
        return replace(tile, **{field: tuple(codes)})

    return replace(program, tiles=tuple(changed(tile) for tile in program.tiles))


def exchanged(program: Program, spot: Spot, instruction: Instruction) -> Program:
    """The program with another instruction at a spot."""

    def edit(stream: list[Instruction]) -> None:
        stream[spot.index] = instruction

    return with_stream(program, spot, edit)


def removed(program: Program, spot: Spot) -> Program:
    """The program without an instruction."""

    def edit(stream: list[Instruction]) -> None:
        del stream[spot.index]

    return with_stream(program, spot, edit)


def moved(program: Program, spot: Spot, by: int) -> Program:
    """The program with an instruction `by` places further on."""

    def edit(stream: list[Instruction]) -> None:
        stream.insert(spot.index + by, stream.pop(spot.index))

    return with_stream(program, spot, edit)


def check_all(name: str, mutants: Mapping[str, Program], expected: set[str]) -> None:
    """Every mutant is caught, and by one of those expected."""
    assert mutants
    made = residual(name)
    caught = {what: verdict(replace(made, program=program), name) for what, program in mutants.items()}
    assert set(caught.values()) <= expected, {what: by for what, by in caught.items() if by not in expected}


@pytest.mark.parametrize("name", TARGETS)
def test_the_program_itself_is_right(name: str) -> None:
    assert verdict(residual(name), name) == ""


# synchronisation: the verifier alone has to see it, before any run


@pytest.mark.parametrize("mnemonic", SYNCHRONISATION)
@pytest.mark.parametrize("name", TARGETS)
def test_every_removed_synchronisation_is_seen_by_the_verifier(name: str, mnemonic: str) -> None:
    program = residual(name).program
    mutants = {str(spot): removed(program, spot) for spot in spots(program, mnemonic)}
    check_all(name, mutants, {"verifier"})


def shifted(spot: Spot, by: int) -> Instruction:
    thing, ticket = spot.instruction.operands
    assert isinstance(ticket, Affine)
    return replace(spot.instruction, operands=(thing, ticket + by))


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", TARGETS)
def test_every_ticket_that_promises_too_much_or_asks_too_little_is_seen(name: str, by: int) -> None:
    """One less to wait for or to get space for, one more released or signalled: data would be read before it is there
    or overwritten before it is read. The verifier proves the absence of that, so it must object."""
    program = residual(name).program
    unsafe = ("wait", "space") if by < 0 else ("release", "signal")
    mutants = {
        str(spot): exchanged(program, spot, shifted(spot, by))
        for spot in spots(program, *unsafe)
        if not (spot.instruction.mnemonic == "release" and is_partial(program, spot))
    }
    check_all(name, {what: m for what, m in mutants.items() if effective(m, program)}, {"verifier"})


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", TARGETS)
def test_every_late_ticket_is_seen_or_harmless(name: str, by: int) -> None:
    """One more to wait for, one less released or signalled: a row late. Tickets are clamped to the map and rings may
    have a row to spare, so it may be right; what the verifier lets pass must run to the right end."""
    program = residual(name).program
    late = ("wait", "space") if by > 0 else ("release", "signal")
    for spot in spots(program, *late):
        made = replace(residual(name), program=exchanged(program, spot, shifted(spot, by)))
        by_whom = verdict(made, name)
        assert by_whom in ("verifier", ""), f"{spot} passes the verifier and is caught as {by_whom}"
        if spot.instruction.mnemonic == "signal":
            assert by_whom == "verifier", f"{spot}: the last row is never signalled"


def is_partial(program: Program, spot: Spot) -> bool:
    """Whether a core only adds to another one's sums. Its rows may begin below its window's first row, which it then
    releases a row later than it could: one more there is right."""
    if spot.unit == "channel":
        return False
    (tile,) = (t for t in program.tiles if t.number == spot.tile)
    (core,) = (c for c in tile.cores if c.number == spot.number)
    mnemonics = {instruction.mnemonic for instruction in core.stream}
    return "mvm" in mnemonics and not mnemonics & {"requant", "requant2"}


def effective(mutant: Program, program: Program) -> bool:
    """Whether a shifted ticket changes any ticket after clamping: a constant one at or beyond the end may not."""
    rings = {(tile.number, ring.name): ring.tickets for tile in program.tiles for ring in tile.rings}
    for before, after in zip(spots(program, *SYNCHRONISATION), spots(mutant, *SYNCHRONISATION), strict=True):
        if before != after:
            thing = before.instruction.operands[0]
            end = rings[before.tile, getattr(thing, "ring", None) or thing.name]
            ticket, other = (s.instruction.operands[1] for s in (before, after))
            if ticket.terms:
                return True
            return min(max(ticket.constant, 0), end) != min(max(other.constant, 0), end)
    return False


@pytest.mark.parametrize("name", TARGETS)
def test_every_signal_before_its_store_is_seen(name: str) -> None:
    """signal moved in front of the pixel loop or the store before it."""
    program = residual(name).program
    mutants = {}
    for spot in spots(program, "signal"):
        stream = next(
            code.stream
            for tile in program.tiles if tile.number == spot.tile
            for code in (tile.cores if spot.unit == "core" else tile.channels) if code.number == spot.number
        )  # fmt: skip
        writers = [i for i, ins in enumerate(stream[: spot.index]) if ins.mnemonic in ("store", "receive")]
        depth, back = 0, writers[-1]
        for i in range(spot.index - 1, writers[-1], -1):
            depth += stream[i].mnemonic == "end"
        while depth:
            back -= 1
            depth += (stream[back].mnemonic == "end") - (stream[back].mnemonic == "loop")
        mutants[str(spot)] = moved(program, spot, back - spot.index)
    check_all(name, mutants, {"verifier"})


# transfers


def test_every_wrong_fifo_or_tile_is_seen() -> None:
    program = residual("spread").program
    mutants = {}
    for spot in spots(program, "send"):
        window, tile, fifo = spot.instruction.operands
        for other in ((window, tile, fifo + 1), (window, (tile + 1) % len(program.tiles), fifo)):
            mutants[f"{spot} -> {other[1:]}"] = exchanged(program, spot, replace(spot.instruction, operands=other))
    for spot in spots(program, "receive"):
        window, fifo = spot.instruction.operands
        mutants[f"{spot} -> {fifo + 1}"] = exchanged(
            program, spot, replace(spot.instruction, operands=(window, fifo + 1))
        )
    assert len(mutants) > 6
    check_all("spread", mutants, {"verifier"})


def test_every_removed_transfer_is_seen() -> None:
    program = residual("spread").program
    check_all("spread", {str(s): removed(program, s) for s in spots(program, "send", "receive")}, {"verifier"})


# addresses and arithmetic


@pytest.mark.parametrize("axis", ["rows", "columns", "channels"])
@pytest.mark.parametrize("name", TARGETS)
def test_every_load_or_store_at_another_place_is_seen(name: str, axis: str) -> None:
    program = residual(name).program
    mutants = {}
    for spot in spots(program, "load", "store"):
        at = 1 if spot.instruction.mnemonic == "load" else 0
        window = spot.instruction.operands[at]
        assert isinstance(window, Window)
        for by in (-1, 1):
            other = getattr(window, axis)
            wrong = replace(window, **{axis: Axis(other.start + by, other.count, other.step)})
            operands = list(spot.instruction.operands)
            operands[at] = wrong
            mutants[f"{spot} {by:+}"] = exchanged(program, spot, replace(spot.instruction, operands=tuple(operands)))
    check_all(name, mutants, {"verifier", "difference"})


def commutes(program: Program, spot: Spot) -> bool:
    """Whether the order of a core's loads is in the result at all: not of a pool's sum or maximum, nor of partial sums
    far from saturation."""
    (tile,) = (t for t in program.tiles if t.number == spot.tile)
    (core,) = (c for c in tile.cores if c.number == spot.number)
    tensors = {ring.name: ring.tensor for ring in tile.rings}
    pools = any(instruction.mnemonic in ("rsum", "rmax") for instruction in core.stream)
    return pools or tensors[spot.instruction.operands[1].ring] == ""


@pytest.mark.parametrize("name", TARGETS)
def test_every_two_loads_with_exchanged_windows_are_seen(name: str) -> None:
    program = residual(name).program
    loads = list(spots(program, "load"))
    mutants = {}
    for a, b in pairwise(loads):
        windows = [s.instruction.operands[1] for s in (a, b)]
        same_core = (a.tile, a.number) == (b.tile, b.number)
        if same_core and windows[0].words == windows[1].words and windows[0] != windows[1] and not commutes(program, a):
            first = replace(a.instruction, operands=(a.instruction.operands[0], *b.instruction.operands[1:]))
            second = replace(b.instruction, operands=(b.instruction.operands[0], *a.instruction.operands[1:]))
            mutants[f"{a} <-> {b}"] = exchanged(exchanged(program, a, first), b, second)
    if mutants:  # where a window comes in one load there is nothing to exchange
        check_all(name, mutants, {"verifier", "difference"})


@pytest.mark.parametrize("name", TARGETS)
def test_every_removed_calculation_is_seen(name: str) -> None:
    """mvm, partial sums, bias, requantisation, pooling: each is needed."""
    program = residual(name).program
    kinds = ("load", "store", "loadv", "mvm", "set", "copy", "add", "requant", "requant2", "rsum", "rmax", "lut")
    check_all(name, {str(s): removed(program, s) for s in spots(program, *kinds)}, {"verifier", "difference"})


@pytest.mark.parametrize("name", TARGETS)
def test_a_scale_or_register_of_the_wrong_place_is_seen(name: str) -> None:
    """requant with the channels of its scale rotated by taking them from the place of another one's."""
    program = residual(name).program
    mutants = {}
    for spot in spots(program, "requant", "requant2"):
        *others, scale = spot.instruction.operands
        assert isinstance(scale, DataRef)
        source = others[1]
        assert isinstance(source, Reg)
        wrong = replace(
            spot.instruction, operands=(others[0], replace(source, start=source.start + 1), *others[2:], scale)
        )
        mutants[f"{spot} source"] = exchanged(program, spot, wrong)
    check_all(name, mutants, {"verifier", "difference"})


# weights, scales, cells


def with_array(made: Compiled, key: str, values: npt.NDArray[Any]) -> Compiled:
    return replace(made, weights={**made.weights, key: values})


def arrays_of(made: Compiled, kind: str) -> Iterator[str]:
    """Keys of the program's matrices ("matrix"), scales, vectors or tables."""
    for tile in made.program.tiles:
        if kind == "matrix":
            yield from (matrix.array for core in tile.cores for matrix in core.matrices)
        else:
            yield from (record.array for record in getattr(tile, f"{kind}s"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_lost_row_block_is_seen(name: str) -> None:
    made = residual(name)
    for key in arrays_of(made, "matrix"):
        broken = with_array(made, key, np.zeros_like(made.weights[key]))
        assert verdict(broken, name, skip_verifier=True) == "difference", key


@pytest.mark.parametrize("name", TARGETS)
def test_every_exchanged_row_or_column_of_a_matrix_is_seen(name: str) -> None:
    made = residual(name)
    for key in arrays_of(made, "matrix"):
        for axis in (0, 1):
            values = np.roll(made.weights[key], 1, axis=axis)
            if not np.array_equal(values, made.weights[key]):
                assert verdict(with_array(made, key, values), name, skip_verifier=True) == "difference", (key, axis)


@pytest.mark.parametrize("factor", [1.01, 2.0])
@pytest.mark.parametrize("name", TARGETS)
def test_every_wrong_multiplier_is_seen(name: str, factor: float) -> None:
    made = residual(name)
    for key in arrays_of(made, "scale"):
        broken = with_array(made, key, (made.weights[key] * factor).astype(np.float32))
        assert verdict(broken, name, skip_verifier=True) == "difference", key


@pytest.mark.parametrize("name", TARGETS)
def test_every_wrong_bias_is_seen(name: str) -> None:
    """The bias of one channel, off by an eighth of the largest."""
    made = residual(name)
    for key in arrays_of(made, "vector"):
        values = made.weights[key].copy()
        values[len(values) // 2] += max(1, int(np.abs(values).max()) // 8)
        assert verdict(with_array(made, key, values), name, skip_verifier=True) == "difference", key


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", ["puma", "spread"])
def test_every_wrong_shift_is_seen(name: str, by: int) -> None:
    made = residual(name)
    for tile in made.program.tiles:
        for core in tile.cores:
            for matrix in core.matrices:
                if matrix.shift + by < 0:
                    continue
                wrong = replace(matrix, shift=matrix.shift + by)
                matrices = tuple(wrong if m is matrix else m for m in core.matrices)
                cores = tuple(replace(c, matrices=matrices) if c is core else c for c in tile.cores)
                tiles = tuple(replace(t, cores=cores) if t is tile else t for t in made.program.tiles)
                broken = replace(made, program=replace(made.program, tiles=tiles))
                assert verdict(broken, name, skip_verifier=True) == "difference", matrix.array


@dataclass(frozen=True)
class Damaged:
    """Cells in which something is broken before they conduct. change: breaks it, in place."""

    change: Callable[[Cells], None]
    exact: bool = False

    def program(self, cells: Cells, key: Key) -> Conductances:
        broken = replace(cells, levels=cells.levels.copy())
        self.change(broken)
        return IDEAL_CELLS.program(broken, key)


@pytest.mark.parametrize("name", ["ideal", "puma"])
def test_swapped_slices_and_stuck_cells_are_seen(name: str) -> None:
    """In the cells themselves, behind the encoder: the two lowest slices of one matrix exchanged, a column's flip lost,
    and one cell of the highest slice stuck."""
    made = residual(name)
    images = {"input": digits("test", 1)}
    wanted = {k: v[:1] for k, v in reference(name).items()}

    def seen(tile: int, core: int, number: int, change: Callable[[Cells], None]) -> bool:
        engine = StepEngine(made.program, made.weights, made.target)
        damaged = StepEngine(made.program, made.weights, made.target, device=Damaged(change))
        engine._mvmus[tile, core][number] = damaged._mvmus[tile, core][number]
        return differences(made, wanted, engine.run(images, capture=True))[0] > 0

    def swap(cells: Cells) -> None:
        cells.levels[:, [0, 1]] = cells.levels[:, [1, 0]]

    def unflip(cells: Cells) -> None:
        column = int(np.argmax(cells.flips[-1]))
        cells.levels[0, -1, :, column] = cells.storage.top - cells.levels[0, -1, :, column]

    def stick(cells: Cells) -> None:
        cells.levels[0, -1, :, 0] ^= 1

    assert not seen(made.program.tiles[0].number, made.program.tiles[0].cores[0].number, 0, lambda cells: None)
    tried = 0
    for tile in made.program.tiles:
        for core in tile.cores:
            for matrix in core.matrices:
                for change in (swap, stick, *((unflip,) if made.target.mvmu.flipped else ())):
                    assert seen(tile.number, core.number, matrix.mvmu, change), (matrix.array, change.__name__)
                    tried += 1
    assert tried >= 8
