"""A user's input arrays as lanes, and the messages for those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.ir.graph import Graph, Tensor
from cimc.ir.lanes import lanes_of


def network(**inputs: Tensor) -> Graph:
    return Graph("inputs", (), inputs, {}, tuple(inputs), ())


IMAGE = network(image=Tensor("image", (1, 3, 4, 5)))


def test_a_batch_axis_of_1_is_the_lane_axis() -> None:
    lanes = lanes_of(IMAGE, {"image": np.zeros((7, 3, 4, 5), np.float32)})
    assert lanes["image"].shape == (7, 1, 3, 4, 5)


@pytest.mark.parametrize("shape", [(2, 3), (8,), ()])
def test_any_other_shape_gets_a_lane_axis_in_front(shape: tuple[int, ...]) -> None:
    lanes = lanes_of(network(x=Tensor("x", shape)), {"x": np.zeros((7, *shape), np.float32)})
    assert lanes["x"].shape == (7, *shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_cast(dtype: type[np.floating]) -> None:
    assert lanes_of(IMAGE, {"image": np.zeros((1, 3, 4, 5), dtype)})["image"].dtype == np.float32


def message(graph: Graph, **arrays: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    with pytest.raises(CimcError) as caught:
        lanes_of(graph, arrays)
    return str(caught.value)


def test_wrong_names_with_a_hint_and_all_at_once() -> None:
    assert message(IMAGE, imgae=np.zeros(3), labels=np.zeros(3)) == (
        'error[input.name]: the network has no input "imgae"\n  at imgae\n  help: did you mean "image"?\n'
        'error[input.name]: the network has no input "labels"\n  at labels\n  help: the inputs are: image\n'
        'error[input.name]: the input "image", float32 of shape (lanes, 3, 4, 5), is missing\n  at image\n'
        "  help: give one array for each input, named as the input"
    )


def test_a_wrong_shape() -> None:
    assert message(IMAGE, image=np.zeros((7, 4, 5, 3), np.float32)) == (
        'error[input.shape]: the input "image" expects shape (lanes, 3, 4, 5), got (7, 4, 5, 3)\n  at image\n'
        "  help: axis 0 is the lane (one run of the network each), at least 1"
    )
    assert "put the lane axis in front: array[None]" in message(IMAGE, image=np.zeros((3, 4, 5), np.float32))
    assert "got (0, 3, 4, 5)" in message(IMAGE, image=np.zeros((0, 3, 4, 5), np.float32))


def test_integers_for_floats_and_the_reverse() -> None:
    assert message(IMAGE, image=np.zeros((1, 3, 4, 5), np.uint8)) == (
        'error[input.dtype]: the input "image" expects float32, got uint8\n  at image\n'
        "  help: convert it to float32 with the network's own preprocessing (range, mean, scale)"
    )
    pixels = network(x=Tensor("x", (1, 2), "uint8"))
    assert "expects uint8, got float32" in message(pixels, x=np.zeros((1, 2), np.float32))
    assert "expects uint8, got int64" in message(pixels, x=np.zeros((1, 2), np.int64))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_nan_and_infinity(bad: float) -> None:
    image = np.zeros((2, 3, 4, 5))
    image[1, 0, 2, 3] = bad
    assert message(IMAGE, image=image) == (
        'error[input.nan]: the input "image" holds NaN or infinity: 1 element(s), the first at (1, 0, 2, 3)\n'
        "  at image\n  help: give finite float32 values"
    )


def test_inputs_with_different_numbers_of_lanes() -> None:
    two = network(a=Tensor("a", (1, 2)), b=Tensor("b", (3,)))
    assert message(two, a=np.zeros((4, 2), np.float32), b=np.zeros((5, 3), np.float32)) == (
        'error[input.shape]: the inputs do not agree on the number of lanes: "a" holds 4, "b" holds 5\n'
        "  help: axis 0 is the lane, one independent run each: give every input the same number"
    )
