"""What a user may choose, each option once: see cimc.base.options for what is made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from cimc.base.options import Checked, Option, counts_by_name
from cimc.driver.precision import Precision, as_precision
from cimc.target.load import TargetLike, load_target
from cimc.target.model import Target
from cimc.target.settings import Setting, as_settings

Objective = Literal["throughput", "latency", "area"]
Method = Literal["minmax", "percentile", "entropy"]
"""As cimc.passes has them, which takes a while to load: a test holds these to those."""

DEFAULT_TARGET = "puma"

_OBJECTIVE = Option("What copies are for: a stream of inputs, one input, or least MVMUs for a --rate.")
_RATE = Option("Inputs a second that --objective area keeps up with.", "R", least=1e-9)


@dataclass(frozen=True, slots=True)
class TargetOptions(Checked):
    """The chip."""

    target: Annotated[
        TargetLike, Option("The chip: a preset (`cimc targets`) or a file of your own.", "NAME|FILE.toml")
    ] = DEFAULT_TARGET
    set: Annotated[
        Mapping[str, Setting],
        Option(
            "Another value for a key of the target: crossbar.adc_bits=6, prices.mvm.seconds=80ns.",
            "KEY=VALUE",
            read=as_settings,
            many=True,
        ),
    ] = field(default_factory=dict)

    def chip(self) -> Target:
        """The target with these values. Raises CimcError with everything that is wrong with it."""
        return load_target(self.target, self.set)


@dataclass(frozen=True, slots=True)
class MatrixOptions(TargetOptions):
    """How matrices are stored, and of which shapes."""

    weight_bits: Annotated[int | None, Option("Bits of a stored weight; the target's, if not given.")] = None
    bind: Annotated[
        Mapping[str, int],
        Option(
            "Values of symbolic dimensions; a batch is bound by itself.",
            "NAME=INT,...",
            least=1,
            read=counts_by_name("bind", "NAME=NUMBER", "--bind height=32,width=32"),
            many=True,
        ),
    ] = field(default_factory=dict)
    rows: Annotated[
        Literal["dense", "channels"],
        Option("How matrices are cut: crossbars filled to the last row, or whole input channels."),
    ] = "dense"


@dataclass(frozen=True, slots=True)
class CompileOptions(MatrixOptions):
    """What a user may choose of `cimc compile` and `cimc verify`; docs/mapping.md says what comes of it."""

    input_bits: Annotated[int | None, Option("Bits of what a crossbar is fed; the target's, if not given.")] = None
    precision: Annotated[
        Precision,
        Option("Bits layer by layer: [layer.NAME] with weight_bits, input_bits.", "FILE.toml", read=as_precision),
    ] = field(default_factory=Precision)
    calibration_method: Annotated[
        Method, Option("Ranges from the extremes, the middle 99.999 %, or least divergence.")
    ] = "minmax"
    pack: Annotated[
        bool, Option("Let small matrices of different layers share crossbars: fewer crossbars, less speed.")
    ] = False
    mvmus: Annotated[
        int | None,
        Option(
            "MVMUs of all layers together: what one copy of each leaves is spent on copies of the slowest.",
            "N",
            least=1,
        ),
    ] = None
    objective: Annotated[Objective, _OBJECTIVE] = "throughput"
    rate: Annotated[float | None, _RATE] = None
    chips: Annotated[
        int, Option("Chips that the network may be mapped onto; it uses as many as it needs.", "N", least=1)
    ] = 1
    rounds: Annotated[
        bool,
        Option(
            "Let a network that is larger than the chip run in rounds: crossbars are written anew for each. A target "
            "that holds one layer at a time always does."
        ),
    ] = False
    images_per_round: Annotated[
        int, Option("Inputs that share one writing, where crossbars are written.", "N", least=1, most=1_000_000)
    ] = 1
    seed: Annotated[
        int,
        Option(
            "Of the search for places on the mesh, and of random inputs where calibration data are missing.", least=0
        ),
    ] = 0
    verify_each: Annotated[
        bool, Option("Check what every pass makes of the network, to find one that has a fault.")
    ] = False


@dataclass(frozen=True, slots=True)
class EstimateOptions(MatrixOptions):
    """What a user may choose of `cimc estimate`.

    Copies: `copies` by layer (the others have one); or `pace`, as many as let every layer keep up with one copy of
    this one (ISAAC's rule); or a `budget` with an `objective`. Without any of them every layer has one copy.
    """

    copies: Annotated[
        Mapping[str, int],
        Option(
            "Copies of layers; the others have one.",
            "LAYER=N,...",
            read=counts_by_name("copies", "LAYER=NUMBER", "--copies conv1=8"),
            many=True,
        ),
    ] = field(default_factory=dict)
    pace: Annotated[str | None, Option("Let every layer keep up with one copy of this one (ISAAC).", "LAYER")] = None
    budget: Annotated[
        int | str | None, Option("Choose copies within so many MVMUs, tiles or chips.", "N|Ntiles|Nchips")
    ] = None
    objective: Annotated[Objective, _OBJECTIVE] = "throughput"
    rate: Annotated[float | None, _RATE] = None
    batch: Annotated[
        int | None, Option("Inputs a layer stays for, where layers take turns.", "N", least=1, most=1_000_000)
    ] = None

    @property
    def mvmus(self) -> int | None:
        """The budget in MVMUs, once cimc.estimator.estimating has made a number of a text."""
        assert not isinstance(self.budget, str), self.budget
        return self.budget


@dataclass(frozen=True, slots=True)
class ChipOptions(Checked):
    """One chip, where the target's cells or wires are not ideal; docs/devices.md says what comes of it."""

    chip_seed: Annotated[
        int, Option("Which chip: the seed of all that its cells and reads draw at random.", "N", least=0, most=2**62)
    ] = 0
    time: Annotated[
        float, Option("Look at it so many seconds after it was programmed.", "SECONDS", least=0, most=1e12)
    ] = 0.0
    reads: Annotated[int, Option("Reads that its cells have borne since then.", "N", least=0, most=10**15)] = 0
    writes: Annotated[int, Option("Writes that its cells have borne before.", "N", least=0, most=10**15)] = 0
    conductances: Annotated[
        str | os.PathLike[str] | None,
        Option("Measured conductances of its cells, as `cimc inspect --conductances` writes them.", "FILE.npz|.csv"),
    ] = None
    faults: Annotated[
        str | os.PathLike[str] | None,
        Option("Stuck cells: arrays named as conductances are, 1 stuck on, -1 stuck off, 0 good.", "FILE.npz"),
    ] = None


@dataclass(frozen=True, slots=True)
class TrialOptions(Checked):
    """Many chips in place of one, and which part of them costs what."""

    trials: Annotated[
        int | None, Option("Try so many chips, with --chip-seed and the seeds after it.", "N", least=1, most=100_000)
    ] = None
    workers: Annotated[int, Option("Chips that are tried at once, each on a processor.", "N", least=1, most=1024)] = 1
    trials_out: Annotated[
        str | os.PathLike[str] | None,
        Option("Keep every chip in this file as it is done; those that it holds are not tried again.", "FILE.csv"),
    ] = None
    budget: Annotated[
        bool, Option("Try chips with each cause of errors alone, and with all others, to see what costs what.")
    ] = False


@dataclass(frozen=True, slots=True)
class Limits(Checked):
    """What a verification must reach, None where nothing is asked."""

    min_snr: Annotated[float | None, Option("Fail below so many decibels of the outputs.", "DB")] = None
    max_loss: Annotated[float | None, Option("Fail where more points of right labels are lost.", "POINTS")] = None
