"""The chip that a program is to run on, as options say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from cimc.crossbar.device import Specimen
from cimc.driver.conductances import read_conductances, read_faults, wanted_conductances
from cimc.driver.options import ChipOptions
from cimc.isa.program import Program
from cimc.target.model import Target


def specimen_of(
    options: ChipOptions, program: Program, weights: Mapping[str, npt.NDArray[Any]], target: Target
) -> Specimen:
    """The chip, with its measured cells and its faults read from their files."""
    plain = Specimen(options.chip_seed, options.time, options.reads, options.writes)
    if options.conductances is None and options.faults is None:
        return plain
    shapes = {name: values.shape for name, values in wanted_conductances(program, weights, target).items()}
    measured = {} if options.conductances is None else read_conductances(options.conductances, shapes)
    faults = {} if options.faults is None else read_faults(options.faults, shapes)
    return Specimen(plain.seed, plain.seconds, plain.reads, plain.writes, measured, faults)
