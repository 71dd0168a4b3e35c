"""How faithful a chip's numbers are to the network: noise of outputs and layers, labels, causes of a low figure.

The other half of a verification, whether the chip does what its model says, is cimc.driver.verify's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import Diagnostic, Place
from cimc.driver.arrays import Arrays
from cimc.driver.compile import Compiled
from cimc.driver.options import Limits
from cimc.ir.evaluate import evaluate
from cimc.ir.layers import Words
from cimc.ir.mapped import MappedLayer
from cimc.ir.reference import windows_of
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.layer_kinds.matrix.sums import clipped_conversions
from cimc.numerics.quant import Quant, dequantise

LEAST_SNR = 10.0
"""Decibels of the outputs below which something is wrong, whatever the widths."""

MOST_LOSS = 5.0
"""Points of right labels that may be lost before something is wrong, where the user gives no other number."""

PROBED = 4
"""Lanes on which conversions that clip are counted."""

FEW_BITS = 6
"""Widths below which quantisation alone explains a low figure."""

OUTSIDE = 0.01
"""Share of a map's values beyond its format from which calibration is to blame."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class LayerError:
    """A layer against the float Graph: signal-to-noise ratio in dB (None: no error) and largest absolute error.

    max_steps: where the network fixes the layer's integers itself, the largest difference from them; else None.
    """

    name: str
    snr_db: float | None
    max_abs_error: float
    max_steps: int | None = None


@dataclass(slots=True)
class Noise:
    """Sums for a signal-to-noise ratio, chunk by chunk. whole: whether the values are integers."""

    whole: bool = False
    signal: float = 0.0
    noise: float = 0.0
    largest: float = 0.0

    def add(self, right: npt.NDArray[Any], got: npt.NDArray[Any]) -> None:
        """Account for values `got` where `right` would be right; where that is not finite there is no error."""
        self.whole = right.dtype.kind in "iu"
        known = np.isfinite(right)
        right, got = right[known], got[known]
        a, error = right.astype(np.float64), got.astype(np.float64) - right.astype(np.float64)
        self.signal += float(np.square(a).sum())
        self.noise += float(np.square(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max(initial=0.0)))

    @property
    def snr_db(self) -> float | None:
        """10 log10(signal / noise); None without noise, and without signal minus infinity is avoided as 0."""
        if self.noise == 0:
            return None
        return float(10 * np.log10(self.signal / self.noise)) if self.signal else 0.0

    def below(self, least: float) -> bool:
        """Whether there are fewer decibels."""
        return self.snr_db is not None and self.snr_db < least


def worst_snr(outputs: Mapping[str, Noise]) -> float | None:
    """Decibels of the worst output; None without noise in any. Others cannot make good for it, however large."""
    return min((one.snr_db for one in outputs.values() if one.snr_db is not None), default=None)


@dataclass(slots=True)
class _Layer:
    """What is seen of a layer, called `name`. outside: values of the float Graph that its format cannot hold, of
    `count`. silent: whether all of its integers stand for zero."""

    mapped: MappedLayer
    name: str
    noise: Noise = field(default_factory=Noise)
    steps: int | None = None
    outside: int = 0
    count: int = 0
    silent: bool = True

    def add(self, quant: Quant, right: npt.NDArray[Any], got: Words, given: Quant | None) -> None:
        """Account for the integers of some lanes, beside the float Graph's values. given: the format that the network
        fixes for them."""
        real = dequantise(got, quant)
        if right.dtype.kind in "iu":
            if given is not None:  # the chip's words may hold the network's integers moved (passes.formats.as_words)
                right = right.astype(np.int64) - (given.zero - quant.zero)
            steps = int(np.abs(right.astype(np.int64) - got).max(initial=0))
            self.steps = steps if self.steps is None else max(self.steps, steps)
            right = dequantise(right.astype(np.int64), quant)
        self.noise.add(right, real)
        least, most = (dequantise(np.asarray(end), quant) for end in (quant.low - 1, quant.high + 1))
        self.outside += int(((right < least) | (right > most)).sum())
        self.count += right.size
        self.silent = self.silent and bool((got == quant.zero).all())


class LayerBook:
    """Every layer of the reference held against the float Graph, chunk by chunk."""

    def __init__(self, compiled: Compiled) -> None:
        self._graph, self._mapped = compiled.graph, compiled.mapped
        layers = zip(compiled.mapped.layers, compiled.names.shown, strict=True)
        self._layers = {mapped.layer.output: _Layer(mapped, name) for mapped, name in layers}
        self._probe: dict[str, Words] = {}

    def add(self, inputs: Arrays, reference: Mapping[str, Words]) -> None:
        """Account for lanes: the network's inputs and the reference's maps."""
        if not self._probe:
            self._probe = {name: values[:PROBED] for name, values in reference.items()}
        names = [name for name in self._layers if name in self._graph.tensors]
        values = evaluate(self._graph, inputs, frozenset(names))
        for name in names:
            size = self._mapped.maps[name]
            right = _as_map(values[name], size.height, size.width, size.channels)
            if right is not None:
                self._layers[name].add(self._mapped.quants[name], right, reference[name], size.quant)

    def errors(self) -> tuple[LayerError, ...]:
        """Every layer's figures, in network order."""
        found = self._layers.values()
        return tuple(LayerError(one.name, one.noise.snr_db, one.noise.largest, one.steps) for one in found)

    def carried(self, outputs: Mapping[str, Noise]) -> Iterator[Diagnostic]:
        """What is said of layers, and of network outputs, whose integers the network fixes and the chip does not reach.

        An output may differ from the oracle's where no layer is off: layers are held against the float Graph.
        """
        off = {output: one for output, one in self._layers.items() if one.steps}
        named = [f"{one.name} by at most {one.steps}" for one in off.values()]
        missed = {name: int(one.largest) for name, one in outputs.items() if one.whole and name not in off}
        named += [f'output "{name}" by at most {steps}' for name, steps in missed.items() if steps]
        if named:
            shown = ", ".join(named[:5]) + (f", and {len(named) - 5} more" if len(named) > 5 else "")
            what = f"the network carries its own quantisation, and the chip's integers differ from it: {shown}"
            todo = (
                "a target that does not round or saturate sums (such as ideal) holds it, but where float32 itself "
                "decides between two integers"
            )
            yield Diagnostic("verify.carried", what, todo=todo)

    def causes(self, synthetic: bool) -> list[str]:
        """What may be behind a low figure, the likeliest first. synthetic: calibrated on random inputs."""
        layers, found = self._layers.values(), list(self._clipping())
        silent = [one.name for one in layers if one.count > 0 and one.silent and one.noise.signal > 0]
        if silent:
            found.append(f'everything that layer "{silent[0]}" makes is rounded to zero: its format underflows')
        if synthetic:
            found.append("there were no calibration data: number formats come from random inputs")
        outside = {one.name: one.outside / one.count for one in layers if one.count}
        worst = max(outside, key=lambda name: outside[name], default="")
        if worst and outside[worst] > OUTSIDE:
            share = 100 * outside[worst]
            found.append(f'{share:.1f} % of the values of layer "{worst}" are beyond what calibration has seen')
        bits = (min(one.weight_bits, one.fed(self._mapped).bits) for one in matrices_of(self._mapped))
        narrow = min(bits, default=FEW_BITS)
        if narrow < FEW_BITS:
            found.append(f"few bits: weights or inputs of {narrow}")
        low = next((one.name for one in layers if one.noise.below(LEAST_SNR)), None)
        if low is not None:
            found.append(f'the first layer below {LEAST_SNR:.0f} dB is "{low}"')
        return found

    def _clipping(self) -> Iterator[str]:
        """Matrix layers whose conversions clip, with their share."""
        mapped = self._mapped
        for matrix in matrices_of(mapped):
            if any(block.lossy for task in matrix.tasks for block in task.blocks):
                one = self._layers[matrix.layer.output]
                clipped, of = clipped_conversions(mapped, matrix, windows_of(mapped, matrix.layer, self._probe))
                if clipped:
                    share = f"{100 * clipped / of:.2g} %"
                    yield f'{share} of the conversions of layer "{one.name}" clip: the ADC is too narrow'


def doubts(
    book: LayerBook, outputs: Mapping[str, Noise], lost: float | None, limits: Limits, synthetic: bool
) -> tuple[bool, list[Diagnostic]]:
    """(whether every output is faithful, warnings). lost: points of right labels, None without labels."""
    least = LEAST_SNR if limits.min_snr is None else limits.min_snr
    most = MOST_LOSS if limits.max_loss is None else limits.max_loss
    low = []
    bad = [name for name, one in outputs.items() if one.below(least)]
    if bad:
        which = "the outputs have" if len(bad) == len(outputs) else f"the output {', '.join(bad)} has"
        low.append(f"{which} {worst_snr(outputs):.1f} dB, less than {least:g}")
    if lost is not None and lost > most:
        low.append(f"{lost:.1f} points of right labels are lost, more than {most:g}")
    warnings = [] if worst_snr(outputs) is None else list(book.carried(outputs))
    if low:
        causes = book.causes(synthetic)
        what = " and ".join(low) + ("; likely: " + "; ".join(causes) if causes else "")
        todo = "docs/verify.md says what helps; the table of layers shows where it begins"
        warnings.append(Diagnostic("verify.fidelity", what, Place(), todo))
    return not low, warnings


def _as_map(x: npt.NDArray[Any], height: int, width: int, channels: int) -> npt.NDArray[Any] | None:
    """A Graph tensor, (lanes, *shape), as a map; None where its shape does not say how it lies."""
    if tuple(x.shape[1:]) == (1, channels, height, width):
        return x[:, 0].transpose(0, 2, 3, 1)
    if height * width == 1 and x[0].size == channels:
        return x.reshape(len(x), 1, 1, channels)
    return None
