"""Golden texts of what comes behind the layers, for a few constructs: tests/passes/golden_stages/NAME.STAGE.txt.

    python -m tests.passes.golden_stages write

writes them anew; look at what changed before it is kept. Weights are not known, as in an estimate: what a text says
depends on shapes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cimc.estimator.weightless import map_weightless
from cimc.frontends.structure import load_structure
from cimc.ir.text import print_stage
from cimc.passes.pipelines import PASSES, Context, run_passes
from tests.laws.digits import varied
from tests.passes.cases import CASES
from tests.passes.end_to_end import PUMA
from tests.passes.test_placement import Copies, copied

FOLDER = Path(__file__).parent / "golden_stages"
ALONE = varied(PUMA, tile={"cores": 1})
"""Every task has a tile of its own."""

CHOSEN: Mapping[str, Copies] = {
    "residual": [],
    "concat_of_three": [],
    "perceptron": [],
    "max_pool_overlapping": [(2, 2)],
}
"""Constructs, and copies of their layers: how many rows at a time, in how many parts."""

PARTS: Mapping[str, Callable[[Any], object]] = {
    "split_matrices": lambda mapped: {one.layer.name: one.tasks for one in mapped.layers},
    "place": lambda placed: placed.tiles,
    "schedule": lambda graph: (graph.rings, graph.tasks, graph.transfers, graph.feeds, graph.drains),
}
"""What is printed of the stage that a pass makes: what it adds to the stage before."""


@cache
def texts_of(name: str) -> dict[str, str]:
    """The stages of a construct as text, by the pass that makes them."""
    outline = load_structure(CASES[name]()).outline
    assert outline is not None, name
    mapped = copied(map_weightless(outline, ALONE, 8, "dense"), CHOSEN[name])
    found: dict[str, Any] = {"split_matrices": mapped}
    first = next(number for number, one in enumerate(PASSES) if one.name == "choose_segments")
    run_passes(mapped, Context(ALONE), PASSES[first:], lambda made, stage: found.update({made: stage}))
    return {made: print_stage(part(found[made]))[0] for made, part in PARTS.items()}


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        file.unlink()
    for name in CHOSEN:
        for made, text in texts_of(name).items():
            (FOLDER / f"{name}.{made}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    main()
