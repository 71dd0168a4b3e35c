"""Real networks in rounds: exact, and on a chip that is too small for them the bits of one that is not."""

from __future__ import annotations

import numpy as np
import pytest

from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from cimc.runtime.engines import engine_for
from tests.oracles.inputs import INPUTS
from tests.oracles.test_networks import SNR_FLOOR
from tests.shared_data import MODELS, require


@pytest.mark.parametrize(
    ("name", "count"), [("mnist_lenet5x5_b-rram", 40), pytest.param("cifar10_vgg8_bn", 20, marks=pytest.mark.slow)]
)
def test_one_layer_at_a_time(name: str, count: int) -> None:
    """On atomlayer, whose numbers have the 16 bits of puma's. One answer of 40, two of 20, may be others."""
    inputs = INPUTS[name]()
    calibration = {inputs.name: inputs.calibration[:64]}
    model = require(MODELS / f"{name}.onnx")
    found = verify_network(model, inputs.data(count), CompileOptions(target="atomlayer"), calibration)
    assert found.bit_exact, str(found.first_mismatch)
    assert found.snr_db is not None and found.snr_db >= SNR_FLOOR["puma"]
    if found.top1_float is not None and found.top1_chip is not None:
        assert found.top1_chip >= found.top1_float - 2.5 / 100


def test_resnet20_on_half_the_chip_it_needs() -> None:
    """59 MVMUs on 30 of puma, in rounds: every output and every stored map as on a chip that holds them all."""
    inputs = INPUTS["cifar10_resnet20"]()
    calibration, x = {inputs.name: inputs.calibration[:64]}, {inputs.name: inputs.x[:4, None]}
    model = require(MODELS / "cifar10_resnet20.onnx")
    small = {"chip.tiles": "3", "tile.cores": "5"}
    resident = compile_network(model, CompileOptions(), calibration)
    rounds = compile_network(model, CompileOptions(rounds=True, set=small), calibration)
    assert sum(len(core.by_mvmu()) for tile in resident.program.tiles for core in tile.cores) == 59
    assert len(rounds.rounds) == 3
    wanted, got = (engine_for(m.program, m.weights, m.target).run(x, capture=True) for m in (resident, rounds))
    assert got.stored.keys() == wanted.stored.keys() and len(got.stored) == 22
    for found, right in ((got.outputs, wanted.outputs), (got.stored, wanted.stored)):
        assert all(np.array_equal(found[name], values) for name, values in right.items())
