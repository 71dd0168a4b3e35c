"""Moves to rings, word by word: rings that hold channels of a map, columns of it, one of several maps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cimc.base.moves import WORDS, Moves
from cimc.driver.compile import Compiled, compile_network
from cimc.driver.options import CompileOptions
from cimc.ir.layers import Binding
from cimc.isa.program import Plug
from tests.frontends.against_onnxruntime import model, node
from tests.laws.digits import varied
from tests.passes.end_to_end import PUMA
from tests.passes.test_placement import placed

WEIGHTS = np.random.default_rng(0).standard_normal((160, 3, 3, 3)).astype(np.float32)
NODES = [
    node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
    node("MaxPool", "x", "b", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    node("Concat", "a b", axis=1),
]
X = np.random.default_rng(1).random((2, 3, 8, 40), np.float32)


def held(made: Compiled, binding: Binding, plug: Plug) -> list[int]:
    """The element behind every word of a plug's rings."""
    elements = np.full(sum(made.mapped.maps[name].words for name in binding.maps), -1)
    assert binding.moves is not None
    elements[binding.moves.words(math.prod(binding.shape))] = np.arange(math.prod(binding.shape))
    start, whole = 0, {}
    for name in binding.maps:
        m = made.mapped.maps[name]
        whole[name] = elements[start : start + m.words].reshape(m.size)
        start += m.words
    rings = {(tile.number, ring.name): ring for tile in made.program.tiles for ring in tile.rings}
    found = []
    for ref in plug.rings:
        ring = rings[ref.tile, ref.ring]
        columns = slice(ring.column, ring.column + ring.width)
        found += whole[ring.tensor][:, columns, ring.channel : ring.channel + ring.channels].ravel().tolist()
    return found


def compiled(kind: str) -> Compiled:
    """Plain; with copies of the convolution that make a part of every row each; with cores that make 128 channels."""
    target = "isaac" if kind == "channels" else "puma"
    weights = {"w": WEIGHTS if kind == "channels" else WEIGHTS[:8]}
    found = compile_network(model(NODES, {"x": [1, 3, 8, 40]}, weights), CompileOptions(target=target), {"x": X})
    return placed(found, varied(PUMA, tile={"cores": 1, "memory_words": 800}), [(1, 4)]) if kind == "columns" else found


@pytest.mark.parametrize("kind", ["plain", "columns", "channels"])
def test_every_word_of_every_ring(kind: str) -> None:
    made = compiled(kind)
    (binding,), (plug,) = made.mapped.inputs, made.program.inputs
    wanted = held(made, binding, plug)
    words = np.full(len(wanted), -1)
    Moves.read(made.weights[plug.index]).fill(WORDS, words, np.arange(X[0].size))
    assert words.tolist() == wanted
    assert (len(wanted) % X[0].size > 0) == (kind == "columns")
    (binding,), (plug,) = made.mapped.outputs, made.program.outputs
    assert len(plug.rings) == 2 + (kind == "channels")
    order = np.argsort(held(made, binding, plug))
    assert np.array_equal(Moves.read(made.weights[plug.index]).words(order.size), order)
