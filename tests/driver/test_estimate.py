"""The estimate against a published table, against what the compiler really makes, and without any weights."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.bram_table import COLUMNS, TABLE, Published, ours, printed_like, values
from benchmarks.networks import lenet, resnet50, vgg16
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network, synthetic_inputs
from cimc.driver.options import CompileOptions, EstimateOptions
from cimc.estimator.estimate import Estimate
from cimc.estimator.estimating import estimate_network
from cimc.frontends.onnx_loader import load_onnx
from cimc.frontends.structure import load_structure
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.passes.pipelines import MapOptions, map_network
from cimc.report.build import build_report
from cimc.target.load import load_target
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL, cimc, node, write_network
from tests.driver.fastest import fastest, slowness
from tests.shared_data import MODELS, require

PHYSICAL = {"LeNet": "9", "VGG-8": "87", "ResNet-18": "1558"}
"""Crossbars with copies, counted honestly: docs/bram-table.md."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.network)
def test_the_table_of_wu_et_al(row: Published) -> None:
    found = ours(row)
    mine = {name: printed_like(getattr(row, name), value) for name, value in values(found).items()}
    for name in COLUMNS:
        paper = PHYSICAL[row.network] if name == "crossbars_with_copies" else getattr(row, name)
        assert mine[name] == paper, name
    # The copies are the paper's, found by balancing.
    wanted = {"LeNet": [8], "VGG-8": [4] * 2, "ResNet-18": [4] * 5}[row.network]
    assert [layer.copies for layer in found.layers] == wanted + [1] * (len(found.layers) - len(wanted))


def test_a_dense_split_is_tighter() -> None:
    # Wu et al.: 1,480 crossbars for ResNet-18 follow from whole channels only; a dense split takes 1,392.
    row = TABLE[2]
    assert _estimated(row.build(), EstimateOptions("bram-256", rows="dense")).crossbars == 1392


def test_one_layer_by_hand() -> None:
    # LeNet's second layer in 64x64: 5x5 windows, floor(64/25) = 2 of 4 channels a block; 12 outputs are 24 columns.
    layer = _estimated(lenet(), EstimateOptions("bram-soc", rows="channels")).layers[1]
    assert (layer.rows, layer.columns, layer.row_blocks, layer.column_blocks, layer.mvmus) == (100, 12, 2, 1, 2)
    assert (layer.vectors, layer.tile_ops, layer.weights, layer.devices) == (64, 128, 1200, 2400)
    assert layer.flops == 2 * 64 * 1200
    assert layer.seconds == pytest.approx(64 * 0.72e-6, rel=1e-12)
    assert layer.joules == pytest.approx(128 * 2.66e-9, rel=1e-12)
    assert layer.fill_percent == pytest.approx(100 * 1200 / (2 * 64 * 32))


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
@pytest.mark.parametrize("target", ["ideal", "puma", "isaac"])
@pytest.mark.parametrize("rows", ["dense", "channels"])
def test_blocks_and_vectors_are_those_of_the_compiler(model: str, target: str, rows: str) -> None:
    _equals_compiled(model, target, rows)


def test_grouped_convolutions_are_cut_as_the_compiler_does(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shapes = {"depthwise": (24, 1, 3, 3), "grouped": (48, 12, 3, 3), "wide": (400, 24, 1, 1), "narrow": (10, 200, 3, 3)}
    groups = {"depthwise": 24, "grouped": 2, "wide": 2, "narrow": 2}
    nodes, x = [], "x"
    for name, group in groups.items():
        nodes.append(
            helper.make_node("Conv", [x, f"{name}.w"], [f"{name}.y"], name=name, group=group, auto_pad="SAME_UPPER")
        )
        x = f"{name}.y"
    weights = {f"{name}.w": generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    nodes[-1].output[0] = "y"
    file = tmp_path / "grouped.onnx"
    write_network(file, nodes, (1, 24, 5, 6), (1, 10, 5, 6), weights)
    for rows in ("dense", "channels"):
        _equals_compiled(str(file), "ideal", rows)
        _equals_compiled(str(file), "puma", rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1.0-deepcompressed.onnx", "mobilenet_v1_0.25_128_uint8_qdq.onnx"])
@pytest.mark.parametrize("rows", ["dense", "channels"])
def test_real_networks_are_cut_as_the_compiler_does(name: str, rows: str) -> None:
    # On puma two layers of SqueezeNet reach more than half of a tile's memory and are cut by channels either way.
    found = sorted(require(MODELS).rglob(name))
    model = str(found[0] if found else require(MODELS / name))
    target = load_target("puma")
    graph = load_onnx(model, {})
    lanes = {key: array[:2] for key, array in synthetic_inputs(graph, 0).items()}
    widths = Widths(target.numbers.weight, target.numbers.input, {}, {})
    mapped = map_network(graph, target, lanes, MapOptions(widths, rows))
    blocks = [sum(len(task.blocks) for task in one.tasks) for one in matrices_of(mapped)]
    assert [layer.mvmus for layer in estimate_network(model, EstimateOptions("puma", rows=rows)).layers] == blocks


@pytest.mark.parametrize(("name", "mvmus"), [("cifar10_resnet20.onnx", 59), ("squeezenet1.0-deepcompressed.onnx", 109)])
def test_mvmus_of_real_networks_on_puma(name: str, mvmus: int) -> None:
    found = sorted(require(MODELS).rglob(name))
    if not found:
        require(MODELS / name)
    assert estimate_network(str(found[0]), EstimateOptions("puma")).mvmus == mvmus


def _weights_as_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    del model.graph.initializer[:]
    return model


def _weights_elsewhere(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in a file that is not there."""
    for tensor in model.graph.initializer:
        bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        bare.data_location = TensorProto.EXTERNAL
        bare.external_data.add(key="location", value="missing.bin")
        tensor.CopyFrom(bare)
    return model


@pytest.mark.parametrize(
    "build",
    [lambda: lenet(False), lambda: _weights_as_inputs(lenet()), lambda: _weights_elsewhere(lenet())],
    ids=["no values", "inputs", "missing file"],
)
def test_weights_are_not_needed(build: Callable[[], onnx.ModelProto]) -> None:
    options = EstimateOptions("bram-soc", rows="channels", budget=9)
    assert _estimated(build(), options) == _estimated(lenet(), options)


@pytest.mark.parametrize(("build", "weights"), [(vgg16, 138_344_128), (resnet50, 25_502_912)])
def test_large_networks_in_under_two_seconds(build: Callable[[bool], onnx.ModelProto], weights: int) -> None:
    # Published parameter counts, 138,357,544 and 25,557,032, less biases (13,416 and 1,000) and the scales and shifts
    # of ResNet-50's batch normalisation (53,120).
    found, seconds = fastest(lambda: _estimated(build(False), EstimateOptions("isaac", budget=1_000_000)))
    assert seconds < 2 * slowness()
    assert found.weights == weights
    assert found.mvmus_with_copies + found.left_over == 1_000_000


def test_isaac_on_an_unlimited_budget_finishes_all_layers_together() -> None:
    found = _estimated(vgg16(False), EstimateOptions("isaac", pace="conv5_3"))
    busy = [layer.seconds for layer in found.layers if layer.operator == "Conv"]
    assert len(busy) == 13 and None not in busy
    assert set(busy) == {14**2 * 1600e-9}
    assert [layer.copies for layer in found.layers[:4]] == [256, 256, 64, 64]


def test_products_of_activations_and_what_else_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    nodes = [node("MatMul", ["x", "w"], "a"), node("MatMul", ["x", "a"], "y", "attention")]
    write_network(file, nodes, (4, 4), (4, 4), {"w": np.ones((4, 4), np.float32)})
    found = estimate_network(str(file), EstimateOptions("ideal"))
    assert [(layer.name, layer.vectors, layer.mvmus) for layer in found.layers] == [("matmul", 4, 1)]
    assert found.latency is None and found.joules is None and found.inputs_per_second is None
    assert found.excluded[0] == "time and energy: ideal has no price for a product (prices.mvm)"
    assert "1 products of two activations, 64 multiply-adds: no stored matrix (attention)" in found.excluded


def test_the_command_prints_tables_and_json() -> None:
    told = cimc("estimate", DIGITS, "--target", "bram-soc", "--budget", "2tiles")
    assert told.code == 0, told.err
    assert "slowest" in told.out and "next faster step" in told.out
    printed = json.loads(cimc("estimate", DIGITS, "--target", "bram-soc", "--budget", "8", "--json", "-").out)
    assert printed["mvmus_with_copies"] == 8 and len(printed["layers"]) == 3
    assert cimc("estimate", DIGITS, "--copies", "conv1=4,fc=1").code == 0


def test_every_field_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")
    printed = json.loads(cimc("estimate", DIGITS, "--json", "-").out)
    whole = printed["whole"]
    tables = {"fields": printed, "layer fields": printed["layers"][0], "whole fields": whole,
              "whole layer fields": whole["layers"][0]}  # fmt: skip
    for table, fields in tables.items():
        rows = page.split(f"<!-- {table}:")[1].split("<!-- end -->")[0]
        named = [
            name for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        ]
        assert sorted(named) == sorted(fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--copies", "conv11=2"], 'error[layer.unknown]: there is no layer with a matrix "conv11"\n  at --copies\n'
         '  help: did you mean "conv1"?\n'),
        (["--copies", "fc=2"], 'error[estimate.copies]: "fc" has 1 vectors an input; it cannot share them among 2 '
         "copies\n  at --copies\n  help: give 1 to 1\n"),
        (["--copies", "8"], 'error[options.copies]: "8" is not LAYER=NUMBER\n  at --copies\n'
         "  help: write --copies conv1=8\n"),
        (["--copies", "fc=1", "--budget", "9"], "error[options.copies]: --copies and --budget each say how many "
         "copies\n  help: give one of them\n"),
        (["--objective", "latency"], 'error[options.copies]: objective "latency" chooses copies, and there is no '
         "budget for any\n  help: give --budget N\n"),
        (["--objective", "area"], 'error[options.copies]: objective "area" and --rate belong together\n'
         "  help: write --objective area --rate INPUTS_PER_SECOND\n"),
        (["--objective", "area", "--rate", "9", "--target", "ideal"], "error[estimate.price]: ideal has no price for "
         "a product, so no rate can be kept\n  at target ideal, prices.mvm\n"
         "  help: take a target with prices.mvm, or --budget\n"),
        (["--budget", "many"], 'error[options.budget]: "many" is no number of MVMUs, tiles or chips\n  at --budget\n'
         "  help: write 300, 2tiles or 1chip\n"),
        (["--budget", "2"], "error[balance.budget]: one copy of every layer takes 4 MVMUs; the budget is 2\n"
         "  help: give a budget of 4 or more\n"),
        (["--pace", "conv9"], 'error[layer.unknown]: there is no layer with a matrix "conv9"\n  at --pace\n'
         '  help: did you mean "conv2"?\n'),
        (["--weight-bits", "17"], "error[options.bits]: --weight-bits is 17; puma takes 2 to 16\n"
         "  at --weight-bits\n"),
    ],
)  # fmt: skip
def test_messages(arguments: list[str], message: str) -> None:
    told = cimc("estimate", DIGITS, *arguments)
    assert (told.code, told.err) == (2, message)


def test_files_that_cannot_be_estimated(tmp_path: Path) -> None:
    def refused(file: Path) -> str:
        with pytest.raises(CimcError) as caught:
            estimate_network(str(file), EstimateOptions())
        return str(caught.value).replace(f"{tmp_path}/", "")

    assert refused(tmp_path / "none.onnx").startswith("error[onnx.file]: there is no such file\n  at none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    assert refused(tmp_path / "bad.onnx").startswith("error[onnx.file]: this is not an ONNX file")
    write_network(tmp_path / "relu.onnx", [node("Relu", ["x"])], (1, 4), (1, 4))
    assert refused(tmp_path / "relu.onnx").startswith("error[estimate.empty]: the network has no matrix")
    weight = {"w": np.ones((4, 4), np.float32)}
    write_network(tmp_path / "open.onnx", [node("MatMul", ["x", "w"])], (1, "width"), (1, 4), weight)
    assert "fix them: --bind width=INT" in refused(tmp_path / "open.onnx")
    write_network(tmp_path / "misfit.onnx", [node("MatMul", ["x", "w"])], (1, 5), (1, 4), weight)
    assert refused(tmp_path / "misfit.onnx").startswith("error[onnx.shape]: shapes do not fit: ")
    stack = {"w": np.ones((2, 4, 4), np.float32)}
    write_network(tmp_path / "stacked.onnx", [node("MatMul", ["x", "w"])], (2, 4, 4), (2, 4, 4), stack)
    assert "a weight of shape (2, 4, 4) in 1 groups is no matrix of it" in refused(tmp_path / "stacked.onnx")
    circle = [node("Relu", ["b"], "a", "first"), node("Flatten", ["a"], "b"), node("MatMul", ["b", "w"])]
    write_network(tmp_path / "circle.onnx", circle, (1, 4), (1, 4), weight)
    assert 'Relu reads "b", which nothing before it makes\n' in refused(tmp_path / "circle.onnx")
    unknown = [helper.make_node("Odd", ["x"], ["z"], domain="mine"), node("MatMul", ["z", "w"], "y", "after")]
    write_network(tmp_path / "odd.onnx", unknown, (1, 4), (1, 4), weight)
    model = onnx.load(tmp_path / "odd.onnx")
    model.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(model, tmp_path / "odd.onnx")
    assert refused(tmp_path / "odd.onnx").startswith(
        'error[onnx.shape]: MatMul node "after": the shape of "z" does not follow from the inputs\''
    )


def _estimated(model: onnx.ModelProto, options: EstimateOptions) -> Estimate:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        onnx.save(model, file)
        return estimate_network(str(file), options)


def _equals_compiled(model: str, target: str, rows: str) -> None:
    """Every matrix of the compiler's report has the estimate's blocks, MVMUs and vectors."""
    found = estimate_network(model, EstimateOptions(target, rows=rows))
    report = build_report(compile_network(model, CompileOptions(target=target, rows=rows)))
    matrices = [layer for layer in report.layers if layer.matrix is not None]
    assert len(matrices) == len(found.layers) == len(load_structure(model).matrices)
    for mine, layer in zip(found.layers, matrices, strict=True):
        theirs = layer.matrix
        assert theirs is not None and mine.name in layer.origin.split(", "), (mine.name, layer.origin)
        assert (mine.mvmus, mine.vectors, mine.weights) == (theirs.mvmus, theirs.vectors, theirs.weights), mine.name
