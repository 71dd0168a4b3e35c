"""Copies of layers share the work, packed layers share crossbars: neither may change a bit."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cimc.backends.emit import emit
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.ir.verify_stage import verify_stage
from cimc.isa.operands import Affine
from cimc.isa.program import Program, TileCode
from cimc.isa.verify.verifier import verify
from cimc.passes.crossbars.duplicate import Duplication, duplicate
from cimc.passes.crossbars.pack import pack
from cimc.passes.pipelines import schedule_network
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, bits_of, compiled, digits, run, same, varied
from tests.passes.end_to_end import IDEAL, PUMA

SMALL_TILES = varied(PUMA, tile={"cores": 2})


def again(made: Compiled, **changes: object) -> Compiled:
    """The same network with its mapped layers changed, scheduled, emitted and verified again."""
    scheduled = schedule_network(replace(made.mapped, **changes), made.target)
    verify_stage(scheduled)
    program, weights = emit(scheduled, made.target)
    verify(program, made.target)
    return replace(made, mapped=scheduled.mapped, scheduled=scheduled, program=program, weights=weights)


def with_copies(made: Compiled, copies: list[tuple[int, int]]) -> Compiled:
    """Copies of each layer that make so many rows at a time, each row in so many parts, as far as its map goes."""
    layers = []
    for m, (rows, parts) in zip(made.mapped.layers, copies, strict=False):
        out = made.mapped.maps[m.layer.output]
        across = min(parts, out.width)
        layers.append(replace(m, copies=min(rows, out.height) * across, across=across))
    return again(made, layers=tuple(layers))


@pytest.mark.parametrize("target", [IDEAL, PUMA, SMALL_TILES], ids=["ideal", "puma", "two cores a tile"])
@pytest.mark.parametrize("network", NETWORKS)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=8, max_size=8))
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_copies_change_no_bit(network: str, target: Target, copies: list[tuple[int, int]]) -> None:
    made = compiled(network, target)
    assert same(bits_of(run(with_copies(made, copies))), bits_of(run(made)))


@pytest.mark.parametrize("seed", range(5))
def test_copies_stream_like_one(seed: int) -> None:
    made = with_copies(compiled("digits_residual", SMALL_TILES), [(2, 1), (1, 4), (2, 2), (1, 2), (1, 1), (1, 1)])
    x = digits("test", 6)
    engine = StepEngine(made.program, made.weights, made.target)
    alone = engine.run({"input": x}).outputs["logits"]
    streamed = engine.run({"input": x.reshape(3, 2, *x.shape[1:])}, images=3, schedule_seed=seed).outputs["logits"]
    assert np.array_equal(streamed.reshape(alone.shape), alone)


@pytest.mark.parametrize("network", NETWORKS)
def test_packing_changes_no_bit_and_saves_crossbars(network: str) -> None:
    made = compiled(network, IDEAL)
    packed = again(made, layers=pack(made.mapped, IDEAL).layers)
    assert same(bits_of(run(packed)), bits_of(run(made)))
    assert mvmus(packed.program) < mvmus(made.program)


def mvmus(program: Program) -> int:
    """MVMUs that hold weights."""
    return sum(len(core.by_mvmu()) for tile in program.tiles for core in tile.cores)


def test_a_budget_is_spent_on_the_slowest_layers() -> None:
    made = compiled("digits_residual", PUMA)
    one = mvmus(made.program)
    more, chosen = duplicate(made.mapped, PUMA, Duplication(2 * one))
    assert chosen.crossbars <= 2 * one
    pixels = {m.layer.name: more.maps[m.layer.output] for m in more.layers}
    busy = {m.layer.name: m.share(0).rows(pixels[m.layer.name].height) * -(-pixels[m.layer.name].width // m.across)
            for m in more.layers}  # fmt: skip
    assert max(busy.values()) < max(map_.height * map_.width for map_ in pixels.values())
    with pytest.raises(CimcError, match=r"balance\.budget"):
        duplicate(made.mapped, PUMA, Duplication(one - 1))


def _without_row_signals(program: Program) -> list[Program]:
    """The program without one of the signals that stand behind a row, for each of them.

    A copy's first signal of an input is left alone: without it consumers only wait longer.
    """
    found = []
    for t, tile in enumerate(program.tiles):
        for c, core in enumerate(tile.cores):
            for i, instruction in enumerate(core.stream):
                if instruction.mnemonic != "signal" or not cast(Affine, instruction.operands[1]).terms:
                    continue
                stream = (*core.stream[:i], *core.stream[i + 1 :])
                cores = (*tile.cores[:c], replace(core, stream=stream), *tile.cores[c + 1 :])
                edited: TileCode = replace(tile, cores=cores)
                found.append(replace(program, tiles=(*program.tiles[:t], edited, *program.tiles[t + 1 :])))
    return found


def test_every_dropped_row_signal_of_a_copy_is_refused() -> None:
    made = with_copies(compiled("digits_residual", PUMA), [(3, 1), (1, 2), (2, 2), (2, 1), (1, 1), (1, 1)])
    edited = _without_row_signals(made.program)
    assert len(edited) > 5
    for program in edited:
        with pytest.raises(CimcError):
            verify(program, PUMA)


def test_a_copy_that_writes_another_copys_rows_is_refused() -> None:
    made = with_copies(compiled("digits_plain", PUMA), [(2, 1), (1, 1), (1, 1), (1, 1), (1, 1)])
    tile = next(t for t in made.program.tiles if any(r.producers == 2 for r in t.rings))
    ring = next(r.name for r in tile.rings if r.producers == 2)
    cores = []
    for core in tile.cores:
        stream = []
        for instruction in core.stream:
            window = instruction.operands[0] if instruction.mnemonic == "store" else None
            if window is not None and window.ring == ring and window.rows.start.constant == 1:
                rows = replace(window.rows, start=Affine(0, window.rows.start.terms))
                instruction = replace(instruction, operands=(replace(window, rows=rows), *instruction.operands[1:]))
            stream.append(instruction)
        cores.append(replace(core, stream=tuple(stream)))
    changed = replace(tile, cores=tuple(cores))
    tiles = tuple(changed if t.number == tile.number else t for t in made.program.tiles)
    with pytest.raises(CimcError, match=r"verify\.(discipline|written-twice|unstored)"):
        verify(replace(made.program, tiles=tiles), PUMA)
