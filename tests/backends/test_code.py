"""What the code of a network looks like: sizes by closed form, limits as diagnostics."""

from __future__ import annotations

import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver.verification import sizes_of
from cimc.frontends import load_onnx
from cimc.isa.verify.usage import tile_usage
from tests.laws.digits import varied
from tests.passes.cases import CASES
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs
from tests.passes.test_constructs import NOT_FINITE, REFUSED


def test_code_does_not_grow_with_the_image() -> None:
    """Loops are instructions: a 48 x 48 image takes as many as one of 6 x 6."""
    counts = []
    for size in (6, 24, 48):
        net = Net(1, 3, size, size)
        a = net.node("MaxPool", net.node("Relu", net.same("x", 3, 4)), kernel_shape=[2, 2], strides=[2, 2])
        graph = load_onnx(net.model(net.same(a, 4, 3)))
        counts.append(sizes_of(build(graph, IDEAL, random_inputs(graph, 1)).program).instructions)
    assert len(counts) == 3 and len(set(counts)) == 1


def test_too_few_registers_are_a_diagnostic() -> None:
    graph = load_onnx(CASES["wide_and_deep_enough_to_split"]())
    with pytest.raises(CimcError, match="registers of a core; the target has 16") as caught:
        build(graph, varied(PUMA, core={"registers": 16}), random_inputs(graph, 1))
    assert [d.code for d in caught.value.diagnostics] == ["code.registers"]


def test_too_few_tiles_are_a_diagnostic() -> None:
    graph = load_onnx(CASES["wide_and_deep_enough_to_split"]())
    small = varied(PUMA, chip={"tiles": 1}, tile={"cores": 1})
    with pytest.raises(CimcError, match=r"the network needs \d+ tiles; puma has 1") as caught:
        build(graph, small, random_inputs(graph, 1))
    assert [d.code for d in caught.value.diagnostics] == ["place.chip"]


def test_too_little_instruction_memory_is_a_diagnostic() -> None:
    graph = load_onnx(CASES["residual"]())
    with pytest.raises(CimcError, match="more than the 32 of a core's instruction memory"):
        build(graph, varied(PUMA, core={"instruction_bytes": 32}), random_inputs(graph, 1))


@pytest.mark.parametrize("name", [name for name in CASES if name not in REFUSED and name not in NOT_FINITE])
def test_memory_regions_do_not_overlap(name: str) -> None:
    """Rings and constants of a tile lie end to end."""
    graph = load_onnx(CASES[name]())
    made = build(graph, PUMA, random_inputs(graph, 1))
    for tile in (tile_usage(tile, PUMA.numbers) for tile in made.program.tiles):
        end = 0
        for region in tile.regions:
            assert region.address >= end, region
            end = region.address + region.words
        assert end <= PUMA.tile.memory_words
