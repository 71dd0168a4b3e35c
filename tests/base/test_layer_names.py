from __future__ import annotations

import pytest

from cimc.base.diagnostics import CimcError
from cimc.base.layer_names import LayerNames

LAYERS = (("relu_out", "conv, relu"), ("a", "split"), ("b", "split"), ("split#2", "other, conv"), ("x.copy", ""))


def test_a_layer_is_called_after_its_first_node() -> None:
    assert LayerNames(LAYERS).shown == ["conv", "split", "split#2", "other", "x.copy"]


@pytest.mark.parametrize(
    ("name", "index"),
    [("conv", 0), ("relu", 0), ("relu_out", 0), ("conv, relu", 0), ("b", 2), ("split#2", 2), ("other", 3)],
)
def test_it_answers_to_its_nodes_and_its_tensor(name: str, index: int) -> None:
    assert LayerNames(LAYERS).index(name, "--stop") == index


def test_others_are_refused_with_the_nearest() -> None:
    with pytest.raises(CimcError) as caught:
        LayerNames(LAYERS).index("rellu", "--stop")
    assert str(caught.value) == (
        'error[layer.unknown]: there is no layer "rellu"\n  at --stop\n  help: did you mean "relu"?'
    )
