"""On `ideal` nothing rounds before requantisation, so no choice of mapping or placement may change a single bit."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cimc.base.diagnostics import CimcError
from cimc.crossbar.chain import Programmed
from cimc.frontends import load_onnx
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, Bits, bits_of, compiled, digits, equals_reference, run, same, varied
from tests.passes.cases import CASES
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs


@cache
def plain(network: str) -> Bits:
    """What the network gives on `ideal` as it is."""
    return bits_of(run(compiled(network, IDEAL)))


@st.composite
def roomy_targets(draw: st.DrawFn) -> Target:
    """Targets like `ideal`: converters lose nothing and sums are not rounded; all else is drawn."""
    rows, columns = draw(st.sampled_from((32, 64, 96, 128, 256))), draw(st.sampled_from((32, 64, 128, 256)))
    encoding = draw(st.sampled_from(("offset", "differential")))
    cell_bits = draw(st.integers(1, 4))
    dac_bits = draw(st.sampled_from((1, 2, 4)))
    largest = rows * ((1 << cell_bits) - 1) * ((1 << dac_bits) - 1)
    return varied(
        IDEAL,
        crossbar={
            "rows": rows, "columns": columns, "cell_bits": cell_bits, "dac_bits": dac_bits,
            "adc_bits": largest.bit_length(),
        },
        mvmu={
            "encoding": encoding, "flipped": encoding == "offset" and draw(st.booleans()), "crossbars": 16,
            "slices": draw(st.sampled_from(("crossbars", "columns"))),
        },
        core={"mvmus": draw(st.integers(1, 4)), "registers": draw(st.sampled_from((512, 4096)))},
        tile={
            "cores": draw(st.sampled_from((1, 2, 3, 8, 16))), "memory_words": draw(st.sampled_from((4096, 1 << 22))),
            "fifo_depth": draw(st.sampled_from((1, 2, 5))),
        },
    )  # fmt: skip


@given(roomy_targets(), st.sampled_from(("dense", "channels")))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("network", NETWORKS)
def test_mapping_and_placement_change_no_bit(network: str, target: Target, rows: str) -> None:
    made = compiled(network, target, rows=rows)
    assert same(bits_of(run(made)), plain(network))


def test_the_targets_differ_in_what_they_should() -> None:
    """The law above would hold trivially if nothing changed: small crossbars need more of everything."""
    small = varied(IDEAL, crossbar={"rows": 32, "columns": 32}, core={"mvmus": 1}, tile={"cores": 2})
    few, many = compiled("digits_residual", IDEAL), compiled("digits_residual", small)
    blocks = [sum(len(t.blocks) for m in made.mapped.layers for t in m.tasks) for made in (few, many)]
    assert blocks[1] > 3 * blocks[0]
    assert len(many.program.tiles) > 3 > len(few.program.tiles)
    assert any(channel.stream for tile in many.program.tiles for channel in tile.channels)


@pytest.mark.parametrize(
    "name", ["squeeze_and_excite", "residual_with_option_a_shortcut", "concat_of_three", "channel_shuffle",
             "average_pool_wide", "pool_of_a_concat", "softmax_over_channels", "wide_and_deep_enough_to_split"],
)  # fmt: skip
@pytest.mark.parametrize("tile_cores", [1, 3])
def test_placement_changes_no_bit_of_other_constructs(name: str, tile_cores: int) -> None:
    """One core a tile: every map crosses the network."""
    graph = load_onnx(CASES[name]())
    data = random_inputs(graph, 4)
    found = []
    for target in (IDEAL, varied(IDEAL, tile={"cores": tile_cores}, core={"mvmus": 1}, crossbar={"rows": 64})):
        made = build(graph, target, data)
        found.append(bits_of(StepEngine(made.program, made.weights, target).run(data, capture=True)))
    assert same(*found)


@pytest.mark.parametrize("name", ["residual", "squeeze_and_excite", "concat_of_three", "max_pool_overlapping"])
@pytest.mark.parametrize("words", [700, 1500])
def test_little_memory_spreads_or_is_refused_but_changes_no_bit(name: str, words: int) -> None:
    graph = load_onnx(CASES[name]())
    data = random_inputs(graph, 2)
    wide = build(graph, IDEAL, data)
    narrow = varied(IDEAL, tile={"memory_words": words})
    try:
        made = build(graph, narrow, data)
    except CimcError as refused:
        assert [d.code for d in refused.diagnostics] == ["place.memory"]
        assert words == 700, "1500 words hold every map of these networks whole"
        return
    outputs = [StepEngine(m.program, m.weights, m.target).run(data, capture=True) for m in (wide, made)]
    assert same(*map(bits_of, outputs))


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=lambda target: target.name)
@pytest.mark.parametrize("network", NETWORKS)
def test_bit_serial_conversion_equals_the_exact_product(network: str, target: Target) -> None:
    """exact=False goes through every DAC step, slice and ADC, whose converters lose nothing on both targets."""
    made = compiled(network, target)
    execution = run(made, 2)
    serial = StepEngine(made.program, made.weights, target, exact=False)
    assert all(isinstance(m.product, Programmed) for core in serial._mvmus.values() for m in core.values())
    assert same(bits_of(serial.run({"input": digits("test", 2)}, capture=True)), bits_of(execution))
    assert equals_reference(made, execution, 2)


def test_an_adc_that_clips_does_change_bits() -> None:
    """The converters are really in the path: with too few bits the result is another one."""
    made = compiled("digits_plain", varied(IDEAL, crossbar={"adc_bits": 4}))
    assert not same(bits_of(run(made)), plain("digits_plain"))
