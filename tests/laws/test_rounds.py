"""A network in rounds computes what it computes with all its layers on the chip, bit for bit, wherever it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.isa.binary.file import decode, encode
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.runtime.execution import Execution
from cimc.runtime.rounds import RoundsEngine
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, bits_of, compiled, digits, run, same, varied
from tests.laws.random_targets import problems, targets
from tests.laws.rounds import in_rounds, with_tiles
from tests.passes.cases import CASES
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs
from tests.passes.random_networks import networks
from tests.passes.test_constructs import NOT_FINITE, REFUSED

CLIPPING = varied(PUMA, crossbar={"adc_bits": 5})
PAIRS = varied(IDEAL, crossbar={"adc_bits": 6}, mvmu={"encoding": "differential", "flipped": False})
TARGETS = {"ideal": IDEAL, "puma": PUMA, "clipping": CLIPPING, "pairs": PAIRS}
CAPACITY = {"place.memory", "place.chip", "rounds.layer", "rounds.memory", "code.registers"}


def run_rounds(made: Compiled, count: int = 6, **options: object) -> Execution:
    engine = RoundsEngine(made.program, made.weights, made.target)
    return engine.run({"input": digits("test", count)}, capture=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("cores", [0, 1, 2, 3])
def test_rounds_change_no_bit(network: str, target: str, cores: int) -> None:
    """On chips of one tile of so many cores; 0: one layer at a time. Converters that clip clip alike."""
    made = compiled(network, TARGETS[target])
    chip = with_tiles(TARGETS[target], 1, cores) if cores else None
    try:
        rounds = in_rounds(made, chip, one_layer=not cores)
    except CimcError as error:
        assert cores == 1 and "rounds.layer" in str(error), error
        return
    assert len(rounds.rounds) > 1
    assert same(bits_of(run_rounds(rounds)), bits_of(run(made)))
    assert parse(print_program(rounds.program)) == rounds.program == decode(encode(rounds.program))


@given(model=networks(), target=targets(), cores=st.integers(1, 6), shared=st.sampled_from((1, 2)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_network_in_rounds_on_any_chip(model: ModelProto, target: Target, cores: int, shared: int) -> None:
    """Outputs of several maps, maps that several rounds read, inputs that a later round reads: refused or right."""
    try:
        if problems(target):
            raise CimcError([])
        graph = load_onnx(model)
        data = random_inputs(graph, 3)
        made = build(graph, target, data)
    except CimcError:
        return
    wanted = StepEngine(made.program, made.weights, made.target).run(data, capture=True)
    try:
        rounds = in_rounds(made, with_tiles(target, 1, cores), shared=shared)
    except CimcError as error:
        assert {one.code for one in error.diagnostics} <= CAPACITY, str(error)
        event("refused")
        return
    event(f"{min(len(rounds.rounds), 4)} rounds")
    got = RoundsEngine(rounds.program, rounds.weights, rounds.target).run(data, capture=True)
    assert same(bits_of(got), bits_of(wanted))
    assert differences(rounds, reference_maps(rounds, data), got) == (0, None)


NAMES = [name for name in CASES if name not in REFUSED and name not in NOT_FINITE]


@pytest.mark.parametrize("name", NAMES)
def test_every_construct_in_rounds(name: str) -> None:
    """On the fewest cores that each of its layers fits: skips over many layers, outputs that are inputs, used inside or
    made of several maps, each of which takes a core to be copied."""
    graph = load_onnx(CASES[name]())
    data = random_inputs(graph, 3)
    made = build(graph, PUMA, data)
    if not made.mapped.layers:
        return
    copied = max(len(binding.maps) for binding in made.mapped.outputs) - 1
    cores = max(len(one.tasks) for one in made.mapped.layers) + copied
    rounds = in_rounds(made, with_tiles(PUMA, 1, cores))
    wanted = StepEngine(made.program, made.weights, made.target).run(data, capture=True)
    got = RoundsEngine(rounds.program, rounds.weights, rounds.target).run(data, capture=True)
    assert same(bits_of(got), bits_of(wanted))


@pytest.mark.parametrize("shared", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_inputs_stream_in_groups(shared: int, seed: int) -> None:
    """Five inputs after each other, in whatever order the cores run, share rounds in groups, the last one smaller."""
    made = in_rounds(compiled("digits_residual", PUMA), one_layer=True, shared=shared)
    x = digits("test", 10)
    engine = RoundsEngine(made.program, made.weights, made.target)
    alone = engine.run({"input": x}, capture=True)
    streamed = engine.run({"input": x.reshape(5, 2, *x.shape[1:])}, 5, schedule_seed=seed, capture=True)
    assert np.array_equal(streamed.outputs["logits"].reshape(alone.outputs["logits"].shape), alone.outputs["logits"])
    for name, values in alone.stored.items():
        assert np.array_equal(streamed.stored[name].reshape(values.shape[1:]), values[0]), name


def test_many_at_once_or_one_by_one() -> None:
    made = in_rounds(compiled("digits_plain", CLIPPING), one_layer=True)
    x = digits("test", 5)
    at_once = RoundsEngine(made.program, made.weights, made.target).run({"input": x}).outputs["logits"]
    engine = RoundsEngine(made.program, made.weights, made.target, max_memory=1)
    for lane in range(5):
        assert np.array_equal(engine.run({"input": x[lane : lane + 1]}).outputs["logits"], at_once[lane : lane + 1])
    assert np.array_equal(engine.run({"input": x}).outputs["logits"], at_once)


def test_what_is_executed() -> None:
    """Every row once for the inputs that share a round, MVMUs of one core and shape side by side, and the products of
    the resident program."""
    resident = compiled("digits_plain", PUMA)
    made = in_rounds(resident, one_layer=True, shared=3)
    x = digits("test", 3).reshape(3, 1, 1, 1, 8, 8)
    counts = RoundsEngine(made.program, made.weights, made.target).run({"input": x}, 3).counts
    wanted = StepEngine(resident.program, resident.weights, resident.target).run({"input": x}, 3).counts
    shapes = {(core.number, m.rows, m.columns) for tile in resident.program.tiles for core in tile.cores
              for m in core.matrices}  # fmt: skip
    assert counts["mvm"] == wanted["mvm"]
    assert counts["write"] == sum(rows for _, rows, _ in shapes) == 9 + 72 + 128
