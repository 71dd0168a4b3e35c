"""Layers that take turns on the crossbars: times, energies and wear by hand, and the command that prints them."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.networks import vgg16
from cimc.base.diagnostics import CimcError
from cimc.estimator.cut import cut_matrix
from cimc.estimator.layer_by_layer import LayerByLayer, Residence, _residence, estimate_layer_by_layer
from cimc.frontends.structure import MatrixShape, Structure, load_structure
from cimc.target.load import load_target
from cimc.target.model import Target
from tests.cli.commands import DIGITS, cimc

ROW = 351e-6 / 32 / 128
"""Seconds to write one row: PUMA's simulator writes an array of 128 rows in 351/32 us."""
CELL = 676e-9 / 32 / 128**2
"""Joules to write one cell: 676/32 nJ an array."""
PRODUCT = 1.6e-6
"""Seconds of one product on ISAAC's crossbars."""
JOULES = 2.82625e-3 * 1.6e-6
"""Joules of it."""


def small(mvmus: int) -> Target:
    """AtomLayer with so many MVMUs, each of 128 inputs and 16 outputs of 16-bit weights in 8 cells."""
    target = load_target("atomlayer")
    return replace(
        target,
        core=replace(target.core, mvmus=mvmus),
        tile=replace(target.tile, cores=1),
        chip=replace(target.chip, tiles=1),
    )


def matrix(name: str, rows: int, outputs: int, vectors: int, window: int = 1, groups: int = 1) -> MatrixShape:
    return MatrixShape(name, "Conv", f"{name}.y", rows // window, window, outputs, groups, vectors, (1, 1), 1)


def estimated(*matrices: MatrixShape, mvmus: int = 4, batch: int = 1) -> LayerByLayer:
    return estimate_layer_by_layer(Structure("net", matrices, {}, ()), small(mvmus), 16, batch=batch)


def test_two_layers_by_hand() -> None:
    # a fits one MVMU: 4 copies share its 8 vectors. b, 256x32, takes 2x2 MVMUs: one copy fills the chip.
    found = estimated(matrix("a", 128, 16, 8), matrix("b", 256, 32, 1))
    a, b = found.layers
    assert (a.copies, a.turns, a.rounds, a.rows, a.cells) == (4, 2, 1, 128, 4 * 128 * 16 * 8)
    assert (b.copies, b.turns, b.rounds, b.rows, b.cells) == (1, 1, 1, 128, 256 * 32 * 8)
    assert found.write_seconds == pytest.approx(2 * 128 * ROW)
    assert found.compute_seconds == pytest.approx(3 * PRODUCT)
    assert found.latency == pytest.approx(2 * 128 * ROW + 3 * PRODUCT)
    assert found.write_joules == pytest.approx(8 * 128 * 128 * CELL)
    assert found.joules == pytest.approx(8 * 128 * 128 * CELL + (8 * 1 + 1 * 4) * JOULES)
    assert (found.largest, found.largest_mvmus, found.all_mvmus) == ("b", 4, 5)
    # Every cell of the chip is written twice for an input, and bears 10^6 writes.
    assert (found.writes, found.mean_writes, found.worn_after) == (2, 2.0, 500_000)
    assert found.worn_seconds == pytest.approx(500_000 * found.latency)
    assert found.spread_seconds == pytest.approx(found.worn_seconds)


def test_a_batch_shares_the_writing() -> None:
    layers = (matrix("a", 128, 16, 8), matrix("b", 256, 32, 1))
    one, ten = estimated(*layers), estimated(*layers, batch=10)
    assert ten.write_seconds == one.write_seconds
    assert ten.compute_seconds == pytest.approx((20 + 10) * PRODUCT)
    assert ten.write_joules == pytest.approx(one.write_joules / 10)
    assert ten.joules - ten.write_joules == pytest.approx(one.joules - one.write_joules)
    assert ten.inputs_per_second == pytest.approx(10 / ten.latency)
    assert ten.worn_after == 10 * 500_000


def test_a_layer_larger_than_the_chip_takes_rounds() -> None:
    # 256x64 takes 2x4 MVMUs on a chip of 4: two rounds, and all vectors in each.
    found = estimated(matrix("a", 256, 64, 3), matrix("b", 20, 2, 1))
    a, b = found.layers
    assert (a.rounds, a.copies, a.turns, a.cells) == (2, 1, 3, 256 * 64 * 8)
    assert a.write_seconds == pytest.approx(2 * 128 * ROW)
    assert a.compute_seconds == pytest.approx(2 * 3 * PRODUCT)
    assert a.compute_joules == pytest.approx(3 * 8 * JOULES)
    assert b.write_seconds == pytest.approx(20 * ROW)
    assert (found.writes, found.worn_after) == (3, 333_333)
    # The cells written are the same; spread evenly, they wear the chip less.
    assert found.mean_writes == pytest.approx((256 * 64 + 20 * 2) * 8 / (4 * 128 * 128))
    assert found.spread_seconds == pytest.approx(1e6 / found.mean_writes * found.latency)


def test_an_only_layer_stays() -> None:
    found = estimated(matrix("a", 128, 16, 8))
    assert (found.writes, found.write_seconds, found.write_joules) == (0, 0.0, 0.0)
    assert (found.worn_after, found.worn_seconds, found.spread_seconds) == (None, None, None)
    assert found.latency == pytest.approx(2 * PRODUCT)
    assert found.excluded[0] == "writing a, once: 1.1e-05 s and 8.45e-08 J"


@pytest.mark.parametrize(("vectors", "copies"), [(1, 1), (9, 3), (10, 4), (12, 4), (13, 4)])
def test_no_more_copies_than_save_a_turn(vectors: int, copies: int) -> None:
    # 9 vectors take 3 turns with 3 copies as with 4.
    assert estimated(matrix("a", 128, 16, vectors)).layers[0].copies == copies


def test_copies_share_an_mvmu_where_it_pays() -> None:
    # 40x4: three copies fit an MVMU, and each adds 40 rows (3.43 us) to write. 5 vectors: 3 copies apart take
    # 3.43 + 2 x 1.6 = 6.6 us, 5 copies in pairs 6.86 + 1.6 = 8.5 us. 50 vectors: 4 apart 3.43 + 13 x 1.6 = 24.2 us,
    # 8 in pairs 6.86 + 7 x 1.6 = 18.1 us, 12 in threes 10.28 + 5 x 1.6 = 18.3 us.
    few = estimated(matrix("a", 40, 4, 5)).layers[0]
    assert (few.copies, few.rows, few.cells) == (3, 40, 3 * 40 * 4 * 8)
    many = estimated(matrix("a", 40, 4, 5), batch=10).layers[0]
    # A pair is written as a rectangle of 80 x 8 with the zeros beside its blocks.
    assert (many.copies, many.rows, many.cells) == (8, 80, 4 * 80 * 8 * 8)
    assert many.write_seconds + many.compute_seconds == pytest.approx(80 * ROW + 7 * PRODUCT)


def test_groups_lie_on_diagonals() -> None:
    # 24 groups of 9x1: 14 fit 128 rows, so one MVMU has 126x14 and the other 90x10, zeros included.
    layer = estimated(matrix("a", 9, 24, 1, window=9, groups=24)).layers[0]
    assert (layer.mvmus, layer.rows, layer.cells) == (2, 126, (126 * 14 + 90 * 10) * 8)


def test_whole_channels_leave_rows_unwritten() -> None:
    # 25-cell windows: 5 channels, 125 rows, in an MVMU of 128.
    shapes = Structure("net", (matrix("a", 250, 16, 1, window=25),), {}, ())
    by_channels = estimate_layer_by_layer(shapes, small(4), 16, "channels").layers[0]
    dense = estimate_layer_by_layer(shapes, small(4), 16, "dense").layers[0]
    assert (by_channels.rows, by_channels.cells) == (125, dense.cells)
    assert dense.rows == 128


def test_copies_are_the_fastest_of_all() -> None:
    generator = np.random.default_rng(5)
    for _ in range(60):
        mvmus, batch = int(generator.integers(1, 7)), int(generator.integers(1, 5))
        shape = matrix("a", *(int(n) for n in generator.integers(1, (200, 40, 40))))
        target = small(mvmus)
        cut = cut_matrix(shape, target, 16, "dense")
        layer = _residence(shape, cut, target, 16, batch, mvmus)
        if layer.rounds > 1:
            assert layer.copies == 1
            continue
        together = min(128 // shape.rows, 16 // shape.outputs) if cut.mvmus == 1 else 1
        times = {
            copies: -(-shape.vectors * batch // copies) * PRODUCT
            + (shape.rows * -(-copies // mvmus) if cut.mvmus == 1 else min(shape.rows, 128)) * ROW
            for copies in range(1, min(shape.vectors * batch, mvmus // cut.mvmus * together) + 1)
        }
        least = min(times.values())
        assert layer.write_seconds + layer.compute_seconds == pytest.approx(least)
        assert layer.copies == min(copies for copies, time in times.items() if time <= least * (1 + 1e-9))


def test_vgg16_as_in_the_docs(tmp_path: Path) -> None:
    file = tmp_path / "vgg16.onnx"
    onnx.save(vgg16(False), file)
    found = {
        batch: estimate_layer_by_layer(load_structure(str(file)), load_target("atomlayer"), 16, batch=batch)
        for batch in (1, 64)
    }
    # fc1, 25,088 x 4,096, is 196 x 256 MVMUs of 128 x 16 weights: 48 rounds of 1,056. fc2, 32 x 256: 8.
    assert {layer.name: layer.rounds for layer in found[1].layers if layer.rounds > 2} == {"fc1": 48, "fc2": 8}
    assert (found[1].writes, found[1].worn_after, found[64].worn_after) == (76, 13_157, 842_048)
    assert round(found[1].inputs_per_second) == 57
    assert found[1].worn_seconds == pytest.approx(3.82 * 60, rel=0.01)
    assert found[64].worn_seconds == pytest.approx(3.88 * 3600, rel=0.01)


def test_the_command_prints_tables_and_json() -> None:
    told = cimc("estimate", DIGITS, "--target", "atomlayer", "--batch", "64")
    assert told.code == 0, told.err
    assert "one layer at a time" in told.out and "worn out" in told.out
    printed = json.loads(cimc("estimate", DIGITS, "--target", "atomlayer", "--batch", "64", "--json", "-").out)
    assert (printed["batch"], printed["mvmus"], printed["writes"]) == (64, 1056, 3)
    assert sorted(printed) == sorted(field.name for field in fields(LayerByLayer))
    assert sorted(printed["layers"][0]) == sorted(field.name for field in fields(Residence))


def test_every_field_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")
    for table, kind in (("turns fields", LayerByLayer), ("turns layer fields", Residence)):
        rows = page.split(f"<!-- {table}:")[1].split("<!-- end -->")[0]
        named = [n for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for n in re.findall(r"`(\w+)`", row)]
        assert sorted(named) == sorted(field.name for field in fields(kind))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--target", "atomlayer", "--copies", "conv1=2", "--pace", "fc"],
            "error[options.copies]: --copies and --pace: atomlayer holds one layer at a time, and its copies fill the "
            "chip\n  help: leave it out, or take fewer MVMUs with --budget\n",
        ),
        (
            ["--target", "atomlayer", "--budget", "2chips"],
            "error[estimate.budget]: a budget of 2,112 MVMUs, and layers take turns on one chip of 1,056\n"
            "  at --budget\n  help: give 1 to 1056\n",
        ),
        (
            ["--target", "atomlayer", "--weight-bits", "17"],
            "error[options.bits]: --weight-bits is 17; atomlayer takes 2 to 16\n  at --weight-bits\n",
        ),
        (
            ["--batch", "2"],
            "error[options.batch]: --batch says for how many inputs a layer stays, and on puma all layers stay\n"
            '  at --batch\n  help: take a target with chip.resident = "one layer"\n',
        ),
    ],
)
def test_messages(arguments: list[str], message: str) -> None:
    told = cimc("estimate", DIGITS, *arguments)
    assert (told.code, told.err) == (2, message)


def test_a_price_is_needed() -> None:
    target = replace(small(4), prices={})
    with pytest.raises(CimcError) as caught:
        estimate_layer_by_layer(Structure("net", (matrix("a", 4, 4, 1),), {}, ()), target, 16)
    assert str(caught.value) == (
        "error[estimate.price]: atomlayer has no price for a product\n  at target atomlayer, prices.mvm\n"
        "  help: give it [prices.mvm]"
    )
