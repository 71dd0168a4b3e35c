"""The name of a layer, wherever a user reads or writes one.

A layer is called after the first ONNX node that went into it, as users know that; where two would have one name, the
later one gets a number. Whoever asks for a layer may also give another of its nodes, or the tensor that it makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean, fail
from cimc.base.options import require

Given = TypeVar("Given")

BETWEEN = ", "
"""What parts the nodes of a layer in its origin."""


class LayerNames:
    """The names of layers, by index. layers: the tensor that each makes, and its origin. thing: what they are."""

    def __init__(self, layers: Iterable[tuple[str, str]], thing: str = "layer") -> None:
        self.thing = thing
        self.shown: list[str] = []
        self._others: dict[str, int] = {}
        for index, (tensor, origin) in enumerate(layers):
            nodes = origin.split(BETWEEN) if origin else []
            first = name = nodes[0] if nodes else tensor
            number = 1
            while name in self.shown:
                number += 1
                name = f"{first}#{number}"
            self.shown.append(name)
            for other in (tensor, origin, *nodes):
                self._others.setdefault(other, index)

    def index(self, name: str, option: str) -> int:
        """The layer that is called so, or has a node or makes a tensor of that name. option: where it was asked for."""
        if name in self.shown:
            return self.shown.index(name)
        if name in self._others:
            return self._others[name]
        todo = did_you_mean(name, [*self.shown, *self._others]) or "layers: " + ", ".join(self.shown)
        raise fail("layer.unknown", f'there is no {self.thing} "{name}"', Place(item=option), todo)

    def by_index(self, given: Mapping[str, Given], option: str) -> dict[int, Given]:
        """What is given for layers by name, by their index. Raises CimcError with all names that no layer has, or that
        are a second one of a layer."""
        found: dict[int, Given] = {}
        wrong: list[Diagnostic] = []
        for name, value in given.items():
            try:
                index = self.index(name, option)
            except CimcError as error:
                wrong += error.diagnostics
                continue
            if index in found:
                what = f'"{name}" is a {self.thing} that {option} names twice'
                wrong.append(Diagnostic("layer.twice", what, Place(item=option), "keep one of them"))
            found[index] = value
        require(wrong)
        return found
