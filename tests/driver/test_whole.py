"""The estimate of all work against the timing engine, against sums by hand, and without weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.estimate_agreement import MVMUS, NETWORKS, agreement, estimated
from benchmarks.networks import lenet, resnet50, vgg16
from cimc.backends.body import Body
from cimc.driver.options import EstimateOptions
from cimc.estimator import whole as whole_module
from cimc.estimator.estimate import estimate
from cimc.estimator.estimating import estimate_network
from cimc.estimator.whole import Whole
from cimc.frontends.structure import load_structure
from cimc.isa.operands import Reg
from cimc.layer_kinds.matrix import emission
from cimc.target import load_target
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL, cimc, node, write_network
from tests.driver.fastest import fastest, slowness
from tests.shared_data import MODELS, require

SAME = 1e-12
"""The estimate is the engine's figure for the program that the compiler makes without weights: not a rounding off."""

CLOSED = 0.1
"""Closed forms may be off by a tenth: what they leave out (queues, and circles through several rings) is less."""

SLOW = ("SqueezeNet", "super-resolution")
"""Networks that take seconds to compile."""


def whole(model: str, options: EstimateOptions | None = None) -> Whole:
    """The figures of all work; there must be some."""
    found = estimate_network(model, options or EstimateOptions()).whole
    assert found is not None
    return found


@pytest.fixture
def closed_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network is one that would take long to time."""
    monkeypatch.setattr(whole_module, "MOST_UNITS", 0)


def check(model: str, target: str = "puma", mvmus: int | None = None, within: float = SAME) -> None:
    """Latency, interval and energy are those of the engine within a share."""
    found = agreement(model, target, mvmus)
    print(found)
    assert found.ratios == pytest.approx((1, 1, 1), abs=within, rel=0)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in SLOW])
def test_agreement_on_real_networks(name: str) -> None:
    check(str(require(MODELS / f"{NETWORKS[name]}.onnx")))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_agreement_on_large_networks(name: str) -> None:
    check(str(require(MODELS / f"{NETWORKS[name]}.onnx")))


@pytest.mark.parametrize("mvmus", [80, MVMUS, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["cifar10_resnet20", "cifar10_vgg8_bn"])
def test_agreement_with_copies(name: str, mvmus: int) -> None:
    check(str(require(MODELS / f"{name}.onnx")), mvmus=mvmus)


@pytest.mark.usefixtures("closed_forms")
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in SLOW])
def test_closed_forms_on_real_networks(name: str) -> None:
    check(str(require(MODELS / f"{NETWORKS[name]}.onnx")), within=CLOSED)


@pytest.mark.usefixtures("closed_forms")
def test_closed_forms_with_copies() -> None:
    check(str(require(MODELS / f"{NETWORKS['ResNet-20']}.onnx")), mvmus=MVMUS, within=CLOSED)


@pytest.mark.parametrize(
    ("network", "budget", "tiles"),
    [
        ("mnist_lenet5x5_b-rram", None, 138),
        ("cifar10_resnet20", None, 3),
        ("cifar10_resnet20", MVMUS, 3),
        ("cifar10_vgg8_bn", 300, 138),
        pytest.param("squeezenet1.0-deepcompressed", None, 138, marks=pytest.mark.slow),
        pytest.param("squeezenet1.0-deepcompressed", 300, 20, marks=pytest.mark.slow),
        pytest.param("superres_espcn_x3", 300, 138, marks=pytest.mark.slow),
    ],
)
def test_energy_of_large_networks_is_that_of_the_program(
    network: str, budget: int | None, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies, parts of rows, relays, chips that are left: whatever is sent, it is sent as the program sends it."""
    settings = {"chip.tiles": tiles}
    same_energy(
        str(require(MODELS / f"{network}.onnx")), EstimateOptions("puma", budget=budget, set=settings), monkeypatch
    )


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("budget", [None, 24, 60])
@pytest.mark.parametrize("network", [DIGITS, RESIDUAL])
def test_energy_of_small_tiles_is_that_of_the_program(
    network: str, budget: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies on tiles of their own, and copies that write one ring in turn."""
    settings = {"tile.cores": cores, "chip.tiles": 40}
    same_energy(network, EstimateOptions("puma", budget=budget, set=settings), monkeypatch)


def same_energy(model: str, options: EstimateOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed forms have the program's energy."""
    found = []
    for units in (1 << 30, 0):
        monkeypatch.setattr(whole_module, "MOST_UNITS", units)
        found.append(whole(model, options))
    timed, closed = found
    assert closed.joules_by_component == pytest.approx(timed.joules_by_component, rel=1e-9)
    assert closed.joules == pytest.approx(timed.joules, rel=1e-12)


@pytest.mark.parametrize("units", [whole_module.MOST_UNITS, 0])
def test_an_instruction_more_is_in_the_estimate(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of what is emitted for one kind of layer needs no other edit."""
    monkeypatch.setattr(whole_module, "MOST_UNITS", units)
    before = whole(DIGITS)
    emitted = emission._own_sums

    def more(body: Body) -> list[tuple[int, Reg]]:
        columns = emitted(body)
        for _, register in columns:
            body.do("copy", register, register)
        return columns

    monkeypatch.setattr(emission, "_own_sums", more)
    check(DIGITS, within=SAME if units else CLOSED)
    after = whole(DIGITS)
    grown = [a.makes for a, b in zip(after.layers, before.layers, strict=True) if a.joules > b.joules]
    assert grown == [layer.makes for layer in before.layers if layer.kind == "matrix"]


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
@pytest.mark.parametrize("target", ["puma", "isaac"])
def test_agreement_on_bundled_networks(model: str, target: str) -> None:
    check(model, target)


def test_agreement_on_a_built_network(tmp_path: Path) -> None:
    """Strides, a window cut into partial sums, an average, a concat of two branches, a sigmoid and a softmax."""
    generator = np.random.default_rng(0)
    shapes = {"a": (40, 3, 5, 5), "b": (48, 40, 3, 3), "c": (16, 48, 1, 1), "d": (24, 48, 3, 3)}
    weights = {name: generator.standard_normal(shape).astype(np.float32) / 8 for name, shape in shapes.items()}
    weights["dense"] = generator.standard_normal((40, 10)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["conv"], name="conv", strides=[2, 2], pads=[2] * 4),
        node("Sigmoid", ["conv"], "sigmoid"),
        helper.make_node("Conv", ["sigmoid", "b"], ["wide"], name="wide", pads=[1] * 4),
        node("Relu", ["wide"], "relu"),
        helper.make_node("Conv", ["relu", "c"], ["left"], name="left"),
        helper.make_node("Conv", ["relu", "d"], ["right"], name="right", pads=[1] * 4),
        helper.make_node("Concat", ["left", "right"], ["both"], name="both", axis=1),
        helper.make_node("GlobalAveragePool", ["both"], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "dense"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["y"], name="softmax", axis=-1),
    ]
    file = tmp_path / "net.onnx"
    write_network(file, nodes, (1, 3, 32, 32), (1, 10), weights)
    check(str(file))
    assert {layer.kind for layer in whole(str(file)).layers} == {"matrix", "average pool", "softmax"}


def test_one_layer_by_hand(tmp_path: Path) -> None:
    # A 1x1 convolution of 8 channels into 4, without bias, on 6 x 5 pixels: a pixel takes, in ns of puma's prices,
    # load 1 + 8, mvm 1 + 1800, requant2 1 + 4 * 4, store 1 + 4, and 1 for the end of the loop.
    file = tmp_path / "net.onnx"
    weight = {"w": np.ones((4, 8, 1, 1), np.float32)}
    write_network(file, [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], (1, 8, 6, 5), (1, 4, 6, 5), weight)
    found = whole(str(file))
    pixel = (9 + 1801 + 17 + 5 + 1) * 1e-9
    (layer,) = found.layers
    # A row more: its wait, space, signal and release, and the loop over pixels and its end. An input: 2 of its loops.
    assert layer.seconds == pytest.approx(30 * pixel + 6 * (4 + 1 + 1) * 1e-9, abs=3e-9)
    assert found.interval == pytest.approx(layer.seconds, rel=1e-12)
    # The host brings the first row, 40 words of 0.3125 ns, and takes the last one.
    assert found.latency == pytest.approx(layer.seconds + 40 * 0.3125e-9 + 20 * 0.3125e-9, abs=10e-9)
    assert found.joules == pytest.approx(sum(found.joules_by_component.values()), rel=1e-12)
    words = (8 + 4) * 30
    assert found.joules_by_component["off-chip link"] == pytest.approx(words * 0.3125e-9 * 10.4, rel=1e-9)


@pytest.mark.usefixtures("closed_forms")
def test_a_shallow_ring_makes_two_layers_take_turns() -> None:
    # Rows of super-resolution's maps fill a tile, so that the second and third convolution wait for each other.
    found = whole(str(require(MODELS / f"{NETWORKS['super-resolution']}.onnx")))
    assert found.interval > 1.3 * max(layer.seconds for layer in found.layers)
    assert found.slowest == "Conv_4"
    assert re.fullmatch(r"too little room for \S+: who makes it and who reads it take turns", found.why)


def test_weights_are_not_needed(tmp_path: Path) -> None:
    files = []
    for number, weights in enumerate((True, False)):
        files.append(tmp_path / f"{number}.onnx")
        onnx.save(lenet(weights), files[-1])
    assert whole(str(files[0])) == whole(str(files[1]))


@pytest.mark.parametrize("build", [vgg16, resnet50])
def test_large_networks_in_under_two_seconds(build: Callable[[bool], onnx.ModelProto], tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    onnx.save(build(False), file)
    found, seconds = fastest(lambda: whole(str(file)))
    assert seconds < 2 * slowness()
    assert found.interval < found.latency < 20 * found.interval


def test_what_there_is_no_estimate_for_says_why(tmp_path: Path) -> None:
    def why(target: str, model: str = DIGITS) -> str:
        found = estimate_network(model, EstimateOptions(target))
        assert found.whole is None
        return found.excluded[-1]

    assert why("ideal") == "data movement and vector work: ideal has no prices"
    assert why("prime").startswith("data movement and vector work: prime has no prices for alu, core_instruction, ")
    file = tmp_path / "net.onnx"
    nodes = [node("MatMul", ["x", "w"], "a"), node("MatMul", ["x", "a"], "y", "attention")]
    write_network(file, nodes, (4, 4), (4, 4), {"w": np.ones((4, 4), np.float32)})
    assert why("puma", str(file)).startswith("data movement and vector work: MatMulDynamic: ")


def test_a_network_that_no_tile_holds_has_no_such_estimate() -> None:
    target = load_target("puma")
    small = replace(target, tile=replace(target.tile, memory_words=128))
    found = estimate(load_structure(DIGITS), small, EstimateOptions())
    assert found.whole is None
    assert re.match(r'data movement and vector work: layer ".*" does not fit a tile of puma: ', found.excluded[-1])


def test_of_many_copies_one_is_placed(tmp_path: Path) -> None:
    onnx.save(resnet50(False), tmp_path / "net.onnx")
    model = str(tmp_path / "net.onnx")
    once, many = (estimate_network(model, EstimateOptions(budget=budget)) for budget in (None, 20_000))
    assert once.whole is not None and many.whole is not None
    assert many.whole.interval < once.whole.interval / 10
    assert many.whole.joules == pytest.approx(once.whole.joules, rel=1e-9)
    assert many.excluded[-1].startswith("where copies lie: ")


def test_copies_shorten_the_interval() -> None:
    once, copied = (estimated(DIGITS, EstimateOptions(copies=copies)) for copies in ({}, {"conv1": 4, "conv2": 2}))
    assert copied.interval < 0.4 * once.interval and copied.latency < once.latency
    assert copied.joules == pytest.approx(once.joules, rel=0.05)


def test_the_command_prints_all_work() -> None:
    told = cimc("estimate", DIGITS)
    assert told.code == 0, told.err
    for text in ("All work: products, data movement", "one input", "between inputs", "of the time between inputs"):
        assert text in told.out
    assert "All work" not in cimc("estimate", DIGITS, "--target", "prime").out


def test_the_table_in_the_docs_names_the_networks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w -]+?) \| [\d,.]+ \|", page, re.MULTILINE)
    assert rows[: len(NETWORKS)] == list(NETWORKS)
