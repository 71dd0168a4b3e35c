"""Every construct of cases.py, end to end: emulator equal to the reference bit for bit, and near the float Graph.

Bit equality alone would miss what the reference and the emulator share (lowering, formats), the distance to the float
Graph alone would miss one wrong rounding: each network is held to both.
"""

from __future__ import annotations

import pytest

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from cimc.target.model import Target
from tests.passes.cases import CASES
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs, run_case

FLOOR = {"ideal": 33.0, "puma": 60.0}
"""Decibels. Rounding normal values to b bits over +-3 sigma leaves 6.02 b - 4.8 dB: 43 dB at 8 bits, of which 10 dB
are left to two or three roundings one after the other and to a map whose largest value is far out. At 16 bits less one
of headroom it is 85 dB, of which 25 dB are left to those and to sums that are rounded to 16 bits (measured: at least
71). A wrong element of a hundred costs more than either margin: it leaves at most 20 dB."""

LOWER = {("rounded_activations", "ideal"): 25.0, ("rounded_to_a_byte", "puma"): 50.0}
"""A Round in the network turns an error of half a step into a whole one of its own steps, now and then."""

REFUSED = {
    "an_input_read_twice": "no strided view",
    "attention_scores": "activations times activations",
    "batch_of_two": "a fixed batch of more than 1",
    "concat_along_rows": "no strided view",
    "constant_pixel_by_pixel": "differs from pixel to pixel",
    "depth_to_space_in_the_middle": "no strided view",
    "flatten_of_two_sizes": "maps of different sizes",
    "function_Softsign": "div of two activations",
    "input_read_in_two_layouts": "no strided view",
    "log_softmax": r"reduction \(max\) over axes \(1,\)",
    "maximum_with_a_constant_per_channel": "max with this constant",
    "mean_over_tokens": r"reduction \(mean\) over axes \(1,\)",
    "normalised_layer": r"reduction \(mean\) over axes \(2,\)",
    "padded_with_a_value": "padding with 0.5",
    "prelu_steep": "PRelu slopes above 1",
    "quotient_of_maps": "div of two activations",
    "resize_nearest": "no strided view",
    "reversed_rows": "no strided view",
    "softmax_of_a_map": "no strided view",
    "softmax_over_padding": "softmax over padding",
    "softmax_over_rows": "no strided view",
}
"""What is not built yet, with words of the refusal. Whoever builds one moves it out of here."""

NOT_FINITE = ("division_by_zero", "infinite_function", "function_without_a_value")
"""Networks whose own values are infinite or not numbers: nothing can be right about them but a refusal."""


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=lambda target: target.name)
@pytest.mark.parametrize("name", [name for name in CASES if name not in REFUSED and name not in NOT_FINITE])
def test_equals_the_reference_and_is_near_the_float_network(name: str, target: Target) -> None:
    outcome = run_case(CASES[name](), target)
    assert outcome.mismatches == 0, str(outcome.first)
    floor = LOWER.get((name, target.name), FLOOR[target.name])
    assert min(outcome.snr.values()) >= floor, f"{dict(outcome.snr)} dB"


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_its_reason_and_node(name: str) -> None:
    graph = load_onnx(CASES[name]())
    with pytest.raises(CimcError, match=REFUSED[name]) as caught:
        build(graph, IDEAL, random_inputs(graph, 2))
    origins = {node.origin for node in graph.nodes}
    for diagnostic in caught.value.diagnostics:
        assert diagnostic.code == "lower.unsupported"
        assert diagnostic.where.item in origins


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=lambda target: target.name)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NOT_FINITE)
def test_values_that_are_not_finite_are_refused_by_calibration(name: str, target: Target) -> None:
    graph = load_onnx(CASES[name]())
    with pytest.raises(CimcError) as caught:
        build(graph, target, random_inputs(graph, 2))
    assert {d.code for d in caught.value.diagnostics} <= {"calibration.range", "lower.constant"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    n = Net(1, 3, 9, 9)
    a = n.same("x", 3, 4)
    quotient = n.node("Div", a, n.node("Exp", a))
    graph = load_onnx(n.model(n.node("Relu", quotient), n.node("Softmax", a, axis=2)))
    with pytest.raises(CimcError) as caught:
        build(graph, IDEAL, random_inputs(graph, 2))
    assert [d.where.item for d in caught.value.diagnostics] == ["div2", "softmax4"]


@pytest.mark.parametrize(
    "name",
    ["wide_and_deep_enough_to_split", "grouped", "concat_of_three", "residual", "padded_channels_in_a_convolution"],
)
def test_matrices_cut_by_channels(name: str) -> None:
    for target in (IDEAL, PUMA):
        outcome = run_case(CASES[name](), target, rows="channels")
        assert outcome.mismatches == 0, str(outcome.first)
        assert min(outcome.snr.values()) >= FLOOR[target.name]


def test_nodes_behind_a_refused_one_are_looked_at_too() -> None:
    n = Net(1, 3, 9, 9)
    quotient = n.node("Div", n.same("x", 3, 4), n.node("Exp", n.same("x", 3, 4)))
    graph = load_onnx(n.model(n.node("Softmax", n.node("Relu", quotient), axis=2)))
    with pytest.raises(CimcError) as caught:
        build(graph, IDEAL, random_inputs(graph, 2))
    assert [d.what.split(":")[0] for d in caught.value.diagnostics] == ["Binary", "Softmax"]
