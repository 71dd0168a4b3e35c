"""Copies of a small matrix on one MVMU, block-diagonally: several pixels a product, and not a bit changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cimc.passes.crossbars.replicate import replicate
from cimc.runtime.timing.engine import time_program
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, bits_of, compiled, run, same, varied
from tests.laws.test_sharing import again, mvmus
from tests.passes.end_to_end import IDEAL, PUMA

ISAAC_LIKE = varied(PUMA, mvmu={"flipped": True}, tile={"cores": 2})


@pytest.mark.parametrize("target", [IDEAL, PUMA, ISAAC_LIKE], ids=["ideal", "puma", "two cores a tile"])
@pytest.mark.parametrize("network", NETWORKS)
def test_copies_beside_each_other_change_no_bit_and_take_no_mvmu(network: str, target: Target) -> None:
    made = compiled(network, target)
    mapped = replicate(made.mapped, target)
    assert any(m.replicas > 1 for m in mapped.layers)
    beside = again(made, layers=mapped.layers)
    assert same(bits_of(run(beside)), bits_of(run(made)))
    assert mvmus(beside.program) == mvmus(made.program)


@pytest.mark.parametrize("network", NETWORKS)
def test_with_copies_that_share_rows_too(network: str) -> None:
    made = compiled(network, PUMA)
    layers = []
    for m in replicate(made.mapped, PUMA).layers:
        out = made.mapped.maps[m.layer.output]
        across = min(2, out.width // m.replicas)
        layers.append(replace(m, copies=across * min(2, out.height), across=across))
    shared = again(made, layers=tuple(layers))
    assert same(bits_of(run(shared)), bits_of(run(made)))


def test_a_first_layer_gets_faster_by_the_products_it_saves() -> None:
    made = compiled("digits_plain", PUMA)
    first, *others = replicate(made.mapped, PUMA).layers
    assert first.replicas > 1
    faster = again(made, layers=(first, *(replace(m, replicas=1) for m in others)))
    busy = [
        max(s.by_unit["mvmu"] for s in time_program(one.program, PUMA).streams if s.layer == 0)
        for one in (made, faster)
    ]
    assert busy[0] == pytest.approx(first.replicas * busy[1])
