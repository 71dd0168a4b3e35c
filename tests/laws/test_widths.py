"""Narrow and odd widths of weights, inputs, cells and DACs: the emulator is the reference for each of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import bits_of, compiled, digits, equals_reference, run, same, varied
from tests.passes.end_to_end import IDEAL, PUMA


@given(st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("base", [IDEAL, PUMA], ids=lambda target: target.name)
def test_every_width_is_bit_exact_also_conversion_by_conversion(base: Target, data: st.DataObject) -> None:
    weight_bits = data.draw(st.integers(2, base.numbers.weight))
    input_bits = data.draw(st.integers(2, base.numbers.input))
    whole = [bits for bits in (1, 2, 3) if input_bits % bits == 0]  # the emulator takes whole digits only
    target = varied(base, crossbar={"dac_bits": data.draw(st.sampled_from(whole)), "adc_bits": 14})
    made = compiled("digits_plain", target, weight_bits=weight_bits, input_bits=input_bits)
    execution = run(made, 1)
    assert equals_reference(made, execution, 1)
    serial = StepEngine(made.program, made.weights, target, exact=False)
    assert same(bits_of(serial.run({"input": digits("test", 1)}, capture=True)), bits_of(execution))


@pytest.mark.parametrize("base", [IDEAL, PUMA], ids=lambda target: target.name)
def test_accuracy_falls_with_the_widths(base: Target) -> None:
    """Two bits of weights and inputs are not enough, four nearly are: the widths really arrive in the arithmetic."""
    with_labels = digits("test", 200)
    answers = {}
    for bits in (2, 4, 8):
        made = compiled("digits_plain", base, weight_bits=bits, input_bits=bits)
        engine = StepEngine(made.program, made.weights, base)
        answers[bits] = engine.run({"input": with_labels}).outputs["logits"].reshape(200, -1).argmax(axis=1)
    agree = {bits: float((answers[bits] == answers[8]).mean()) for bits in (2, 4)}
    assert agree[2] < agree[4] <= 1
    assert agree[4] > 0.8
