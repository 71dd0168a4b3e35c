"""The estimate job: a network in, the estimate that suits its target out."""

from __future__ import annotations

import re
from dataclasses import replace

from cimc.base.diagnostics import Place, fail
from cimc.driver.arrays import Data, data_for
from cimc.driver.options import EstimateOptions
from cimc.estimator.estimate import Estimate, estimate
from cimc.estimator.known import known_numbers
from cimc.estimator.layer_by_layer import LayerByLayer, estimate_layer_by_layer
from cimc.frontends.onnx_file import ModelLike
from cimc.frontends.structure import load_structure
from cimc.target import Target


def estimate_network(
    model: ModelLike, options: EstimateOptions, calibration: Data | None = None
) -> Estimate | LayerByLayer:
    """The estimate of an ONNX model.

    calibration: lanes of every network input, by name, or their file, for what depends on numbers
    (cimc.estimator.known); layers that take turns need none. Raises CimcError for all that is wrong with the network,
    the target or the options.
    """
    target = options.chip()
    options = replace(options, budget=_mvmus(options.budget, target))
    if target.chip.resident == "one layer":
        return _layer_by_layer(model, options, target)
    if options.batch is not None:
        what = f"--batch says for how many inputs a layer stays, and on {target.name} all layers stay"
        raise fail("options.batch", what, Place(item="--batch"), 'take a target with chip.resident = "one layer"')
    data = None if calibration is None else data_for(model, calibration)
    structure = load_structure(model, options.bind)
    known = known_numbers(model, options.bind, structure.outline, data)
    return estimate(structure, target, options, known)


def _layer_by_layer(model: ModelLike, options: EstimateOptions, target: Target) -> LayerByLayer:
    """The estimate for a target of which chip.resident is "one layer"."""
    given = {"--copies": options.copies, "--pace": options.pace, "--rate": options.rate}
    if asked := [name for name, value in given.items() if value]:
        what = f"{' and '.join(asked)}: {target.name} holds one layer at a time, and its copies fill the chip"
        raise fail("options.copies", what, todo="leave it out, or take fewer MVMUs with --budget")
    bits = target.numbers.weight if options.weight_bits is None else options.weight_bits
    structure = load_structure(model, options.bind)
    return estimate_layer_by_layer(structure, target, bits, options.rows, options.batch or 1, options.mvmus)


def _mvmus(budget: int | str | None, target: Target) -> int | None:
    """ "300", "2tiles" or "1chip" as MVMUs; a number, or None, as it is."""
    if not isinstance(budget, str):
        return budget
    match = re.fullmatch(r"(\d{1,9})\s*(|mvmus?|tiles?|chips?)", budget.strip(), re.IGNORECASE)
    if match is None:
        what = f'"{budget}" is no number of MVMUs, tiles or chips'
        raise fail("options.budget", what, Place(item="--budget"), "write 300, 2tiles or 1chip")
    tile = target.tile.cores * target.core.mvmus
    sizes = {"": 1, "mvmu": 1, "tile": tile, "chip": tile * target.chip.tiles}
    return int(match[1]) * sizes[match[2].lower().removesuffix("s")]
