"""Streaming, schedules and files change no bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cimc.isa.binary.file import decode, encode
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.runtime.package import load_package, save_package
from cimc.runtime.step import StepEngine
from cimc.target.load import PRESETS
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, bits_of, compiled, digits, equals_reference, run, same, varied
from tests.passes.end_to_end import IDEAL, PUMA

SPREAD = varied(PUMA, tile={"cores": 2})
"""Two cores a tile, so that residuals cross tiles."""

TARGETS = pytest.mark.parametrize("target", [IDEAL, PUMA, SPREAD], ids=["ideal", "puma", "puma-2-cores"])


@TARGETS
@pytest.mark.parametrize("network", NETWORKS)
def test_three_images_streamed_equal_three_runs(network: str, target: Target) -> None:
    made = compiled(network, target)
    engine = StepEngine(made.program, made.weights, target)
    images = digits("test", 12).reshape(3, 4, 1, 1, 8, 8)
    streamed = engine.run({"input": images}, images=3, capture=True)
    for number in range(3):
        alone = engine.run({"input": images[number]}, capture=True)
        assert np.array_equal(streamed.outputs["logits"][number], alone.outputs["logits"])
        for name, values in alone.stored.items():
            assert np.array_equal(streamed.stored[name][number], values[0]), name


@TARGETS
def test_twenty_random_schedules_change_nothing(target: Target) -> None:
    """Kahn's theorem for this network: the order in which cores run is not in the result."""
    made = compiled("digits_residual", target)
    engine = StepEngine(made.program, made.weights, target)
    images = {"input": digits("test", 4).reshape(2, 2, 1, 1, 8, 8)}
    first = bits_of(engine.run(images, images=2, capture=True))
    for seed in range(20):
        assert same(bits_of(engine.run(images, images=2, capture=True, schedule_seed=seed)), first), seed


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=lambda target: target.name)
@pytest.mark.parametrize("network", NETWORKS)
def test_text_binary_and_package_keep_the_bits(network: str, target: Target, tmp_path: Path) -> None:
    made = compiled(network, target)
    assert parse(print_program(made.program)) == made.program
    assert decode(encode(made.program)) == made.program
    toml = (PRESETS / f"{target.name}.toml").read_text(encoding="utf-8")
    save_package(tmp_path / "network", made.program, made.weights, toml)
    package = load_package(tmp_path / "network")
    assert package.program == made.program
    execution = run(made)
    assert equals_reference(made, execution)
    again = StepEngine(package.program, package.weights, package.target)
    assert same(bits_of(again.run({"input": digits("test", 6)}, capture=True)), bits_of(execution))


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=lambda target: target.name)
def test_compiling_twice_gives_the_same_bytes(target: Target) -> None:
    once, again = (compiled("digits_residual", target) for _ in range(2))
    assert encode(once.program) == encode(again.program)
    assert once.weights.keys() == again.weights.keys()
    assert all(np.array_equal(once.weights[name], again.weights[name]) for name in once.weights)


def test_a_lane_does_not_see_its_neighbours() -> None:
    made = compiled("digits_residual", PUMA)
    together = run(made, 5).outputs["logits"]
    engine = StepEngine(made.program, made.weights, PUMA)
    for lane in range(5):
        alone = engine.run({"input": digits("test", 5)[lane : lane + 1]}).outputs["logits"]
        assert np.array_equal(alone[0], together[lane])
