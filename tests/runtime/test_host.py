"""What a user is told about wrong inputs and wrong weights; how inputs and outputs are laid out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.operands import Window
from cimc.isa.program import Program, RingRef
from cimc.runtime.step import StepEngine
from tests.isa.small import SMALL
from tests.runtime.programs import IDEAL, REG2, i, pixel, relay_program, relay_weights, straight, vector_program
from tests.runtime.test_step import small_weights


def refusal(program: Program, weights: dict[str, Any], inputs: dict[str, Any] | None = None, images: int = 1) -> str:
    with pytest.raises(CimcError) as caught:
        StepEngine(program, weights, IDEAL).run(inputs or {}, images=images)
    return str(caught.value)


X = np.zeros((2, 1, 6, 6), np.float32)


@pytest.mark.parametrize(
    ("inputs", "images", "message"),
    [
        (
            {"imag": X},
            1,
            'error[run.inputs]: the program has no input "imag"\n  at small\n  help: did you mean "image"?\n'
            'error[run.inputs]: input "image" is not given\n  at small, input "image"\n'
            "  help: its shape: (1, 6, 6)",
        ),
        (
            {"image": X[0]},
            1,
            "error[run.inputs]: an array of shape (1, 6, 6) where (lanes, ...) is (1, 6, 6) after its first axes\n"
            '  at small, input "image"\n  help: 1 inputs, any number of lanes',
        ),
        (
            {"image": X[None]},
            3,
            "error[run.inputs]: an array of shape (1, 2, 1, 6, 6) where (images, lanes, ...) is (1, 6, 6) after its "
            'first axes\n  at small, input "image"\n  help: 3 inputs, any number of lanes',
        ),
        ({"image": X[:0]}, 1, "error[run.inputs]: no lanes\n  at small\n  help: give at least one"),
        (
            {"image": X * np.float32("nan")},
            1,
            'error[run.inputs]: values that are not numbers (NaN)\n  at small, input "image"',
        ),
        (
            {"image": X.astype(str)},
            1,
            'error[run.inputs]: values of <U32 where numbers are due\n  at small, input "image"',
        ),
    ],
)
def test_wrong_inputs(inputs: dict[str, Any], images: int, message: str) -> None:
    assert refusal(SMALL, small_weights(), inputs, images) == message


def test_integers_must_be_integers_that_words_hold() -> None:
    program, weights = relay_program(3, 8), dict(relay_weights(3))
    x = np.zeros((1, 3, 4, 2))
    assert refusal(program, weights, {"x": x}).startswith("error[run.inputs]: values of float64 where integers are due")
    assert refusal(program, weights, {"x": x.astype(np.int64) + 2**31}).startswith(
        "error[run.inputs]: values 2147483648 to 2147483648; the program takes -2147483648 to 2147483647"
    )


def test_inputs_with_different_lanes() -> None:
    program = vector_program(2, 2, [i("set", REG2, 0), i("store", pixel("y", 2), REG2)])
    x = program.inputs[0]
    program = replace(program, inputs=(x, replace(x, name="z", rings=(RingRef(0, "y"),))))
    weights = {"x.index": straight(2), "y.index": straight(2)}
    inputs = {"x": np.zeros((2, 1, 1, 2), int), "z": np.zeros((3, 1, 1, 2), int)}
    assert refusal(program, weights, inputs) == (
        'error[run.inputs]: inputs differ in lanes: 2 in "x", 3 in "z"\n  at vector\n  help: give all the same'
    )


def test_wrong_weights_are_all_named() -> None:
    weights = {**small_weights(), "conv1.multiplier": np.arange(4), "image.index": np.array([1, 1, 0, 36, 1, 1])}
    weights["conv1.weight"][0, 0] = 128
    del weights["out.index"], weights["conv1.bias"]
    other = "help: give the weights file that was written with the program"
    assert refusal(SMALL, weights) == (
        'error[run.weights]: array "image.index" has a box, number 0, of the elements 1 to 36; there are 36\n'
        f'  at small, input "image"\n  {other}\n'
        'error[run.weights]: there is no array "out.index"\n'
        f'  at small, output "out/y:0"\n  {other}\n'
        'error[run.weights]: array "conv1.multiplier" is of int64, not of reals\n'
        f"  at small, tile 0, scale conv1.scale\n  {other}\n"
        'error[run.weights]: there is no array "conv1.bias"\n'
        "  at small, tile 0, vector bias\n  " + f"{other}\n"
        f'error[run.weights]: array "conv1.weight" has weights {weights["conv1.weight"].min()} to 128, '
        f"which 8 bits in differential pairs do not hold\n  at small, tile 0 core 0, MVMU 0\n  {other}"
    )


def test_a_matrix_of_another_shape() -> None:
    weights = {**small_weights(), "conv1.weight": np.zeros((4, 9), int)}
    message = 'error[run.weights]: array "conv1.weight" has the shape (4, 9), not (9, 4)'
    assert refusal(SMALL, weights).startswith(message)


def test_a_message_of_another_length() -> None:
    program = relay_program(3, 8)
    channel = program.tiles[1].channels[0]
    stream = list(channel.stream)
    at = next(n for n, instruction in enumerate(stream) if instruction.mnemonic == "receive")
    window = stream[at].operands[0]
    assert isinstance(window, Window)
    columns = replace(window.columns, count=3)
    stream[at] = i("receive", replace(window, columns=columns), stream[at].operands[1])
    tile = replace(program.tiles[1], channels=(replace(channel, stream=tuple(stream)),))
    program = replace(program, tiles=(program.tiles[0], tile))
    assert refusal(program, dict(relay_weights(3)), {"x": np.zeros((1, 3, 4, 2), int)}) == (
        "error[run.message]: a message of 8 words arrives where 6 are received\n"
        "  at tile 1, FIFO 3\n  help: run `cimc verify` first"
    )


def test_inputs_are_quantised_and_laid_out_by_the_index() -> None:
    """x goes into two rings: the second element twice, then the first one twice. y is turned round."""
    program = vector_program(2, 4, [])
    tile = program.tiles[0]
    x, y = tile.rings
    z = replace(x, name="z", address=6)
    body = (
        i("load", REG2, pixel("x", 2), 0),
        i("store", Window("y", pixel("y", 1).rows, pixel("y", 1).columns, pixel("y", 2).channels), REG2),
    )
    second = replace(pixel("y", 2), channels=replace(pixel("y", 2).channels, start=pixel("y", 2).rows.start + 2))
    stream = vector_program(2, 4, [*body, i("load", REG2, pixel("z", 2), 0), i("store", second, REG2)])
    wait, release = stream.tiles[0].cores[0].stream[1], stream.tiles[0].cores[0].stream[-4]
    port = replace(wait.operands[0], ring="z")  # type: ignore[type-var]
    core = stream.tiles[0].cores[0]
    code = list(core.stream)
    code.insert(1, i("wait", port, wait.operands[1]))
    code.insert(-4, i("release", port, release.operands[1]))
    plug = replace(
        program.inputs[0], shape=(2,), dtype="float32", scale=0.5, zero=3, rings=(RingRef(0, "x"), RingRef(0, "z"))
    )
    out = replace(program.outputs[0], shape=(4,), dtype="float32", scale=0.25, zero=1)
    program = replace(
        program,
        inputs=(plug,),
        outputs=(out,),
        tiles=(replace(tile, rings=(x, y, z), cores=(replace(core, stream=tuple(code)),)),),
    )
    weights = {"x.index": np.array([2, 1, 0, 2, -1, 2, 2, 0, 1]), "y.index": np.array([1, 3, 0, 4, -1, 1])}
    output = StepEngine(program, weights, IDEAL).run({"x": np.array([[1.0, 200.0], [-0.25, 0.75]])}).outputs["y"]
    # 1 / 0.5 + 3 = 5, 200 saturates at 127; -0.5 + 3 and 1.5 + 3 round to even: 3, 5
    words = np.array([[5, 5, 127, 127], [3, 3, 5, 5]])
    assert output.dtype == np.float32
    assert output.tolist() == ((words - 1) * 0.25).tolist()


def test_constants_beyond_32_bits_are_refused() -> None:
    """Entries saturate to the register that they go to, and no register is wider."""
    bias = np.array([1 << 31, 0, 0, 0])
    message = 'array "conv1.bias" has values 0 to 2147483648; they must be -2147483648 to 2147483647'
    assert message in refusal(SMALL, {**small_weights(), "conv1.bias": bias})
    StepEngine(SMALL, {**small_weights(), "conv1.bias": bias - 1}, IDEAL)
