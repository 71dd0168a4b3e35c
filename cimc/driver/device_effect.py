"""What the cells and wires of a chip do to a network's outputs, besides its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from cimc.base.quantities import decibels
from cimc.base.shown import Facts
from cimc.driver.fidelity import Noise, worst_snr

Values = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class DeviceEffect:
    """The outputs of one chip.

    chip_seed, time: which, and seconds after programming. snr_db: against the oracle; own_snr_db: against the same chip
    with ideal cells and wires; None where there is no error. top1: share of right labels, None without labels.
    """

    chip_seed: int
    time: float
    snr_db: float | None
    own_snr_db: float | None
    max_abs_error: float
    top1: float | None

    def facts(self) -> Facts:
        """For a table."""
        when = f" after {self.time:g} s" if self.time else ""
        own = f"SNR {decibels(self.snr_db)} dB, {decibels(self.own_snr_db)} dB against ideal cells"
        labels = "" if self.top1 is None else f", right labels {100 * self.top1:.2f} %"
        return [(f"chip {self.chip_seed}{when}", own + labels)]


class EffectBook:
    """Sums over the inputs, part by part. outputs: names, the first of which has labels."""

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self._first = outputs[0]
        self._noise = {name: Noise() for name in outputs}
        self._own = {name: Noise() for name in outputs}
        self._right, self._count, self._labelled = 0, 0, False

    def add(self, right: Values, ideal: Values, got: Values, labels: npt.NDArray[Any] | None) -> None:
        """Account for outputs `got`, where the oracle gives `right`, and the chip with ideal cells `ideal`."""
        for name in self._noise:
            self._noise[name].add(right[name], got[name])
            self._own[name].add(ideal[name], got[name])
        if labels is not None:
            answers = got[self._first].reshape(len(labels), -1).argmax(axis=1)
            self._right += int((answers == labels).sum())
            self._labelled = True
        self._count += len(got[self._first])

    def effect(self, chip_seed: int, time: float) -> DeviceEffect:
        """All of it."""
        return DeviceEffect(
            chip_seed=chip_seed,
            time=time,
            snr_db=worst_snr(self._noise),
            own_snr_db=worst_snr(self._own),
            max_abs_error=max(one.largest for one in self._noise.values()),
            top1=self._right / self._count if self._labelled else None,
        )
