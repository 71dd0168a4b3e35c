"""The kinds of examples, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fuzz.arrays import array_example
from tests.fuzz.chosen import chosen_example
from tests.fuzz.draw import Draw
from tests.fuzz.example import Example
from tests.fuzz.onnx_models import onnx_example
from tests.fuzz.packages import package_example
from tests.fuzz.pairs import pair_example
from tests.fuzz.programs import program_example
from tests.fuzz.target_files import target_example

KINDS: Mapping[str, Callable[[Draw], Example]] = {
    "onnx": onnx_example,
    "program": program_example,
    "package": package_example,
    "npz": array_example,
    "target": target_example,
    "network": pair_example,
    "option": chosen_example,
}


def made(kind: str, seed: int, number: int) -> Example:
    """The example of a kind with a number; always the same."""
    return KINDS[kind](Draw(kind, seed, number))
