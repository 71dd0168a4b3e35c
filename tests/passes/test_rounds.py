"""How a network is cut into rounds: what each has, takes and hands on; where maps wait; what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cimc.backends.keeping import keep_in_tiles
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.ir.mapped import MappedGraph
from cimc.ir.verify_mapped import verify_mapped
from cimc.isa.program import Area, Phase, Plug, Ring, RingRef, TileCode
from cimc.passes.rounds import WAITS, part_of
from cimc.runtime.rounds import RoundsEngine
from tests.laws.digits import compiled, digits, varied
from tests.laws.rounds import in_rounds, with_tiles
from tests.passes.end_to_end import PUMA


@pytest.fixture(scope="module")
def residual() -> Compiled:
    return compiled("digits_residual", PUMA)


def ends(graph: MappedGraph) -> tuple[list[str], list[str]]:
    return [one.tensor for one in graph.inputs], [one.tensor for one in graph.outputs]


def test_every_cut_hands_on_what_is_read_behind_it(residual: Compiled) -> None:
    """And nothing else: maps that are made before the cut and read behind it, wherever it is."""
    mapped = residual.mapped
    for cut in range(1, len(mapped.layers)):
        first, second = part_of(mapped, 0, cut, PUMA), part_of(mapped, cut, len(mapped.layers), PUMA)
        verify_mapped(first)
        verify_mapped(second)
        made = {one.layer.output for one in mapped.layers[:cut]}
        read = {name for one in mapped.layers[cut:] for operand in one.layer.reads for name in operand.maps}
        assert ends(first)[0] == ["input"]
        assert set(ends(first)[1]) == {WAITS + name for name in made & read}
        assert set(ends(second)[0]) == {WAITS + name for name in made & read} | ({"input"} & read)
        assert ends(second)[1] == ["logits"]
        assert first.layers + second.layers == mapped.layers


def test_a_round_in_between_does_not_touch_what_passes_it_by(residual: Compiled) -> None:
    """The map of the residual branch, read two rounds later, is neither taken nor handed on by the round between."""
    mapped = residual.mapped
    parts = [part_of(mapped, n, n + 1, PUMA) for n in range(len(mapped.layers))]
    for name in (one.layer.output for one in mapped.layers):
        made = [n for n, part in enumerate(parts) if WAITS + name in ends(part)[1]]
        taken = [n for n, part in enumerate(parts) if WAITS + name in ends(part)[0]]
        assert len(made) == (1 if taken else 0) and all(n > made[0] for n in taken)


def test_an_output_that_is_made_early_waits_for_the_last_of_its_maps(residual: Compiled) -> None:
    """An output of two maps comes out of the round that makes the later one; the other one is copied there."""
    mapped = residual.mapped
    early, late = mapped.layers[0].layer.output, mapped.outputs[0].maps[0]
    both = replace(mapped, outputs=(replace(mapped.outputs[0], maps=(early, late)),))
    first, second = part_of(both, 0, 2, PUMA), part_of(both, 2, len(both.layers), PUMA)
    assert WAITS + early in ends(first)[1] and "logits" not in ends(first)[1]
    assert WAITS + early in ends(second)[0] and ends(second)[1] == ["logits"]
    assert second.layers[0].layer.output == early and second.layers[1:] == both.layers[2:]
    verify_mapped(second)


def test_one_layer_at_a_time(residual: Compiled) -> None:
    """Each round has one matrix, and the layers without one that follow it."""
    made = in_rounds(residual, one_layer=True)
    for one in made.rounds:
        kinds = [bool(layer.tasks[0].blocks) for layer in one.mapped.layers]
        assert kinds[0] and kinds.count(True) == 1
    assert sum(len(one.mapped.layers) for one in made.rounds) == len(residual.mapped.layers)


def test_a_larger_chip_takes_fewer_rounds(residual: Compiled) -> None:
    """As many layers as fit by cores go together; a chip that holds all needs one round."""
    counts = [len(in_rounds(residual, with_tiles(PUMA, 1, cores)).rounds) for cores in (2, 3, 5, 8)]
    cores = sum(len(one.tasks) for one in residual.mapped.layers)
    assert counts == sorted(counts, reverse=True) and counts[0] > 1
    assert counts[-1] == -(-cores // 8)


def test_a_layer_larger_than_the_chip_is_refused() -> None:
    """conv2 has 72 rows: five blocks of 16."""
    target = varied(PUMA, crossbar={"rows": 16})
    with pytest.raises(CimcError) as caught:
        in_rounds(compiled("digits_plain", target), with_tiles(target, 1, 2))
    said = caught.value.diagnostics[0]
    assert said.code == "rounds.layer" and said.where.item == "conv2, relu2"
    assert said.what == "a round takes whole layers, and this one needs 5 MVMUs; puma has 4"
    assert said.todo == "take more chips (--chips 2) or larger ones"


def test_tile_memory_keeps_maps_and_changes_no_bit(residual: Compiled) -> None:
    """Those of a thousand inputs have no room, but for the smallest. No area lies over anything else: the verifier."""
    x = digits("test", 3)
    roomy = in_rounds(residual, one_layer=True)
    tight = in_rounds(residual, one_layer=True, shared=1000)
    areas = [plug.areas for made in (roomy, tight) for phase in made.program.phases for plug in phase.outputs]
    assert any(areas) and not all(areas)
    assert not any(plug.areas for phase in tight.program.phases for plug in phase.outputs if np.prod(plug.shape) > 64)
    runs = [RoundsEngine(m.program, m.weights, m.target).run({"input": x}).outputs["logits"] for m in (roomy, tight)]
    assert np.array_equal(runs[0], runs[1])


def plug(name: str, words: int, tile: int) -> Plug:
    return Plug(name, "int32", (1, 1, words), 0.0, 0, -1, 1, "i", (RingRef(tile, "x"),), memory=True)


def phases(*moves: tuple[str, str], used: tuple[int, ...], size: int = 100) -> list[Phase]:
    """Phases that take and make maps of so many words, named in "a b", on tile 0, whose ring takes `used` words."""
    return [
        Phase(n, n, False, tuple(plug(one, size, 0) for one in taken.split()),
              tuple(plug(one, size, 0) for one in made.split()), (TileCode(0, (Ring("x", 0, 1, 1, use, 1, 1, 1),)),))
        for n, ((taken, made), use) in enumerate(zip(moves, used, strict=True))
    ]  # fmt: skip


SMALL = varied(PUMA, tile={"memory_words": 1000}, chip={"tiles": 1})


def test_areas_are_used_again() -> None:
    """a waits from 0 to 1, b from 1 to 2, c from 2 to 3: a and b are there together, c takes the place of a."""
    found = keep_in_tiles(phases(("", "a"), ("a", "b"), ("b", "c"), ("c", ""), used=(500,) * 4), SMALL, 1, 1)
    areas = [phase.tiles[0].areas for phase in found]
    a, b, c = Area("kept0", 900, 100), Area("kept1", 800, 100), Area("kept2", 900, 100)
    assert areas == [(a,), (a, b), (b, c), (c,)]
    assert found[1].inputs[0].areas == (RingRef(0, "kept0"),) and found[1].outputs[0].areas == (RingRef(0, "kept1"),)


def test_what_lies_there_in_between_counts() -> None:
    """Phase 1 uses 950 words, so a, which passes it by, does not wait there; b, made behind it, does."""
    found = keep_in_tiles(phases(("", "a"), ("", ""), ("a", "b"), ("b", ""), used=(0, 950, 0, 0)), SMALL, 1, 1)
    assert [len(phase.tiles[0].areas) for phase in found] == [0, 0, 1, 1]
    assert not found[0].outputs[0].areas and found[2].outputs[0].areas


def test_every_input_that_shares_a_round_needs_room() -> None:
    two = phases(("", "a"), ("a", ""), used=(700, 700))
    assert keep_in_tiles(two, SMALL, 3, 1)[0].tiles[0].areas == (Area("kept0", 700, 300),)
    assert not keep_in_tiles(two, SMALL, 4, 1)[0].tiles[0].areas


def test_the_nearest_tile_with_room() -> None:
    """Tile 0 is full; tiles 1 and 3 are one and two routers away on a mesh of two tiles a router."""
    target = varied(PUMA, tile={"memory_words": 1000}, chip={"tiles": 4})
    found = keep_in_tiles(phases(("", "a"), ("a", ""), used=(950, 950)), target, 1, 1)
    assert [tile.number for tile in found[0].tiles] == [0, 1] and found[0].tiles[1].areas == (Area("kept0", 900, 100),)
