"""Golden texts of the LayerGraph of every construct that lowers: tests/passes/golden/NAME.txt.

    python -m tests.passes.golden_layers write

writes them anew; look at what changed before it is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from cimc.ir.text import print_stage
from cimc.passes.lower.layers import lower
from tests.passes.cases import CASES

FOLDER = Path(__file__).parent / "golden"


def text_of(name: str) -> str:
    """The layers of a construct as text; the diagnostics where it is refused."""
    try:
        return print_stage(lower(load_onnx(CASES[name]())))[0]
    except CimcError as error:
        return f"{error}\n"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        file.unlink()
    for name in CASES:
        (FOLDER / f"{name}.txt").write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    main()
