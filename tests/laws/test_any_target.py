"""Any target with any network: refused with what is missing, or right.

Right is: the emulator equals the reference in every stored bit, and where no conversion can lose anything, the outputs
are as near the float network as the widths allow.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate
from cimc.passes.crossbars.duplicate import Duplication, duplicate
from cimc.passes.crossbars.pack import pack
from cimc.passes.crossbars.replicate import replicate
from cimc.runtime.step import StepEngine
from cimc.target.fields import Count
from cimc.target.keys import SECTIONS
from cimc.target.model import Target
from tests.laws.random_targets import FREE, problems, targets
from tests.laws.test_sharing import again
from tests.passes.cases import CASES
from tests.passes.end_to_end import build, random_inputs, snr_db
from tests.passes.random_networks import networks
from tests.passes.test_constructs import NOT_FINITE, REFUSED

NAMES = tuple(name for name in CASES if name not in REFUSED and name not in NOT_FINITE)
MODELS = st.one_of(st.sampled_from(NAMES).map(lambda name: CASES[name]()), networks())
WAYS = ("dense", "channels", "packed", "copies")
CAPACITY = {"place.memory", "place.chip", "code.registers"}
"""What a target may be too small for."""
MARGIN = 28.0
"""Decibels below 6.02 a bit: 4.8 for a uniform error under normal values of three sigma, 6 for a bit of headroom, and
the rest for some ten roundings in a row and for maps of which a few values are far out."""
ENOUGH = 30.0
"""Decibels that are enough of wide formats: gains that differ from channel to channel leave narrow channels few of a
map's steps. A wrong rule - a sum that saturates, a bias cut off - leaves less than 15 dB whatever the widths."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a pair: "right", "inconsistent", or the code of its refusal with its text."""

    verdict: str
    text: str = ""


def spent_differently(made: Compiled, way: str) -> Compiled:
    """The same network with small matrices packed, or with twice the MVMUs spent on copies."""
    if way == "packed":
        return again(made, layers=pack(made.mapped, made.target).layers)
    if way == "copies":
        mapped = replicate(made.mapped, made.target)
        mvmus = sum(len(task.blocks) for m in mapped.layers for task in m.tasks)
        return again(made, layers=duplicate(mapped, made.target, Duplication(2 * mvmus))[0].layers) if mvmus else made
    return made


def tried(model: ModelProto, target: Target, way: str) -> Result:
    """Compile, run and compare a network, also on inputs far beyond calibration, where everything saturates. Asserts
    that what compiles is right."""
    if problems(target):
        return Result("inconsistent")
    try:
        graph = load_onnx(model)
        data = random_inputs(graph, 4)
        made = spent_differently(build(graph, target, data, rows="channels" if way == "channels" else "dense"), way)
    except CimcError as error:
        return Result(error.diagnostics[0].code, str(error))
    loud = {name: np.concatenate([x, x * 8 if x.dtype.kind == "f" else x]) for name, x in data.items()}
    execution = StepEngine(made.program, made.weights, target).run(loud, capture=True)
    assert differences(made, reference_maps(made, loud), execution) == (0, None)
    blocks = [block for m in made.mapped.layers for task in m.tasks for block in task.blocks]
    if not any(block.lossy for block in blocks):
        wanted = evaluate(graph, data)
        got = min(snr_db(wanted[name], execution.outputs[name][: len(wanted[name])]) for name in graph.outputs)
        assert got >= min(6.02 * bits_that_count(made) - MARGIN, ENOUGH), f"{got:.1f} dB"
    return Result("right")


def bits_that_count(made: Compiled) -> int:
    """The narrowest of what numbers go through: weights, inputs, sums, and words where partial sums are stored."""
    numbers = made.target.numbers
    stored = any(task.is_partial for m in made.mapped.layers for task in m.tasks)
    return min(numbers.weight, numbers.input, numbers.accumulator - 3, numbers.word - (3 if stored else 1))


def check(result: Result) -> None:
    """A refusal says what is too small, with its figures, or what is not built."""
    if result.verdict in ("right", "inconsistent", "lower.unsupported"):
        return
    assert result.verdict in CAPACITY, result
    assert any(letter.isdigit() for letter in result.text), result


@given(model=MODELS, target=targets(), way=st.sampled_from(WAYS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_pair_is_refused_or_right(model: ModelProto, target: Target, way: str) -> None:
    check(tried(model, target, way))


def widths_of_the_docs() -> list[tuple[str, int]]:
    """Every value of every key that is a width, as docs/targets.md allows it."""
    found = []
    for path in FREE:
        section, _, key = path.partition(".")
        field = SECTIONS[section][key]
        assert isinstance(field, Count)
        step = 8 if key == "word" else 1
        found += [(path, value) for value in range(field.low, field.high + 1, step)]
    return found


def drawn(number: int, path: str, value: int) -> list[tuple[ModelProto, Target, str]]:
    """A few pairs whose target has this value of a width. number: of the draw."""
    found: list[tuple[ModelProto, Target, str]] = []

    @seed(number)
    @settings(max_examples=4, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(model=MODELS, target=targets({path: value}), way=st.sampled_from(WAYS))
    def take(model: ModelProto, target: Target, way: str) -> None:
        found.append((model, target, way))

    take()
    return found


@pytest.mark.slow
def test_five_hundred_pairs_and_every_width() -> None:
    """Every width that the docs allow compiles for some network, and more than half of all pairs compile."""
    wanted = widths_of_the_docs()
    verdicts: Counter[str] = Counter()
    compiled: set[tuple[str, int]] = set()
    seen: set[tuple[str, bytes, str]] = set()
    for number, (path, value) in enumerate(chain.from_iterable(repeat(wanted, 12))):
        if len(seen) >= 500 and (path, value) in compiled:
            continue
        for model, target, way in drawn(number, path, value):
            key = str(target), model.SerializeToString(), way
            if key in seen:
                continue
            seen.add(key)
            result = tried(model, target, way)
            check(result)
            verdicts[result.verdict] += 1
            if result.verdict == "right":
                compiled.update((one, getattr(getattr(target, one.split(".")[0]), one.split(".")[1])) for one in FREE)
    print(len(seen), dict(verdicts))
    assert compiled.issuperset(wanted), f"never compiled: {sorted(set(wanted) - compiled)}"
    assert verdicts["right"] > 0.5 * sum(verdicts.values()), verdicts
    assert verdicts["inconsistent"] < 0.05 * sum(verdicts.values()), verdicts
