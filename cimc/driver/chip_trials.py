"""Many chips of one kind over the same data: each by itself, on as many processors as wanted; what is done is kept."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from cimc.base.diagnostics import Place, fail
from cimc.base.reading import TEXT_LIMIT, noting_inputs, read_text
from cimc.base.shown import Facts
from cimc.crossbar.device import Specimen
from cimc.driver.arrays import Arrays
from cimc.driver.compile import Progress
from cimc.driver.device_effect import DeviceEffect, EffectBook, Values
from cimc.driver.options import TrialOptions
from cimc.isa.program import Program
from cimc.report.folder import program_digest, write_whole
from cimc.runtime.engines import engine_for
from cimc.target.model import Target
from cimc.target.write import write_target

CONFIDENCE = 0.95


class Outputs:
    """Outputs of all lanes, part by part: the oracle's, and those of the chip with ideal cells."""

    def __init__(self) -> None:
        self._parts: list[tuple[Values, Values]] = []

    def add(self, right: Values, ideal: Values) -> None:
        """Those of some lanes."""
        self._parts.append((right, ideal))

    def joined(self) -> tuple[Arrays, Arrays]:
        """All together."""
        right, ideal = ([part[i] for part in self._parts] for i in (0, 1))
        return _joined(right), _joined(ideal)


def _joined(parts: Sequence[Values]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True, slots=True)
class Bench:
    """What chips are tried on. right: the oracle's outputs; ideal: those of the chip with ideal cells; all (lanes,
    ...). labels: (lanes,), or None; at_once: lanes that are run together."""

    program: Program
    weights: Mapping[str, npt.NDArray[Any]]
    target: Target
    inputs: Arrays
    right: Arrays
    ideal: Arrays
    labels: npt.NDArray[Any] | None
    at_once: int

    def effect(self, specimen: Specimen) -> DeviceEffect:
        """What one chip does."""
        engine = engine_for(self.program, self.weights, self.target, specimen=specimen)
        book, lanes = EffectBook(tuple(self.right)), len(next(iter(self.inputs.values())))
        for start in range(0, lanes, self.at_once):
            part = slice(start, start + self.at_once)
            got = engine.run({name: array[part] for name, array in self.inputs.items()}, first=start).outputs
            right, ideal = ({name: array[part] for name, array in one.items()} for one in (self.right, self.ideal))
            book.add(right, ideal, got, None if self.labels is None else self.labels[part])
        return book.effect(specimen.seed, specimen.seconds)

    def digest(self, specimen: Specimen) -> str:
        """Of everything that the effects of chips depend on but their seeds."""
        found = hashlib.sha256()
        for part in (program_digest(self.program), write_target(self.target), repr(replace(specimen, seed=0))):
            found.update(part.encode("utf-8"))
        for arrays in (self.weights, self.inputs, self.right):
            for name, array in sorted(arrays.items()):
                found.update(f"{name} {array.dtype} {array.shape}".encode())
                found.update(np.ascontiguousarray(array).tobytes())
        if self.labels is not None:
            found.update(self.labels.astype(np.int64).tobytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over chips: mean, standard deviation, the worst chip's, and the interval of the mean at 95 % (low, high;
    by Student's t, None for one chip)."""

    mean: float
    deviation: float | None
    worst: float
    low: float | None
    high: float | None

    def in_words(self, factor: float, unit: str) -> str:
        """In a line."""
        text = f"{factor * self.mean:.2f}{unit}"
        if self.deviation is not None and self.low is not None and self.high is not None:
            text += f" on average ({factor * self.low:.2f} to {factor * self.high:.2f} at 95 %)"
            text += f", deviation {factor * self.deviation:.2f}"
        return f"{text}, worst {factor * self.worst:.2f}"


@dataclass(frozen=True, slots=True)
class Trials:
    """Chips, and spreads of their decibels and of their shares of right labels, None where there are none."""

    chips: tuple[DeviceEffect, ...]
    snr_db: Spread | None
    top1: Spread | None

    def facts(self) -> Facts:
        """For the table of `cimc verify`."""
        first, last, time = self.chips[0].chip_seed, self.chips[-1].chip_seed, self.chips[0].time
        name = f"chips {first} to {last}" + (f" after {time:g} s" if time else "")
        found = [(name, "SNR " + ("exact" if self.snr_db is None else self.snr_db.in_words(1, " dB")))]
        return found if self.top1 is None else [*found, ("their right labels", self.top1.in_words(100, " %"))]


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Of the values that are there."""
    found = np.array([value for value in values if value is not None])
    if not found.size:
        return None
    mean, worst, count = float(found.mean()), float(found.min()), len(found)
    if count == 1:
        return Spread(mean, None, worst, None, None)
    deviation = float(found.std(ddof=1))
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(count)
    return Spread(mean, deviation, worst, mean - half, mean + half)


def try_chips(bench: Bench, specimen: Specimen, options: TrialOptions, progress: Progress) -> Trials:
    """Chips with the seed of the specimen and those after it: as many as the options say, or one."""
    count, file = options.trials or 1, None if options.trials_out is None else Path(options.trials_out)
    wanted = [replace(specimen, seed=specimen.seed + number) for number in range(count)]
    digest = bench.digest(specimen)
    kept = _rows(file)
    done = {effect.chip_seed: effect for known, effect in kept if known == digest}
    missing = [one for one in wanted if one.seed not in done]
    for number, effect in enumerate(_run(bench, missing, options.workers), start=count - len(missing) + 1):
        done[effect.chip_seed] = effect
        kept.append((digest, effect))
        if file is not None:
            write_whole(file, _text(kept).encode("utf-8"))
        progress(f"chip {number} of {count}")
    chips = tuple(done[one.seed] for one in wanted)
    return Trials(chips, spread_of(one.snr_db for one in chips), spread_of(one.top1 for one in chips))


_bench: Bench | None = None


def _take(bench: Bench) -> None:
    global _bench
    _bench = bench


def _one(specimen: Specimen) -> DeviceEffect:
    assert _bench is not None
    return _bench.effect(specimen)


def _run(bench: Bench, specimens: Sequence[Specimen], workers: int) -> Iterator[DeviceEffect]:
    """Effects as they are done. A chip is the same in whichever process it runs."""
    if workers == 1 or len(specimens) < 2:
        yield from map(bench.effect, specimens)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(specimens)), context, _take, (bench,)) as pool:
        waiting: list[Future[DeviceEffect]] = [pool.submit(_one, specimen) for specimen in specimens]
        try:
            for one in as_completed(waiting):
                yield one.result()
        finally:
            for future in waiting:
                future.cancel()


HEADER = ("run", *(one.name for one in fields(DeviceEffect)))


def _text(rows: Iterable[tuple[str, DeviceEffect]]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEADER)
    for digest, effect in rows:
        lines.writerow([digest, *("" if value is None else repr(value) for value in astuple(effect))])
    return text.getvalue()


def _rows(file: Path | None) -> list[tuple[str, DeviceEffect]]:
    """What a file of chips holds; nothing where there is none yet."""
    if file is None or not os.path.lexists(file):
        return []
    try:
        with noting_inputs():  # what is written on is no input
            lines = list(csv.reader(io.StringIO(read_text(file, TEXT_LIMIT))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise fail("trials.file", f"it cannot be read: {error}", Place(str(file)), "name another file") from None
    if not lines or tuple(lines[0]) != HEADER:
        todo = "name another file; this one is not overwritten"
        raise fail("trials.file", "it does not hold chips that were tried", Place(str(file)), todo)
    found = []
    for number, (digest, seed, *values) in enumerate(filter(None, lines[1:]), start=2):
        try:
            time, snr, own, largest, top1 = (float(value) if value else None for value in values)
            assert time is not None and largest is not None
            found.append((digest, DeviceEffect(int(seed), time, snr, own, largest, top1)))
        except (ValueError, AssertionError):
            raise fail("trials.file", "this line is damaged", Place(str(file), number), "remove it") from None
    return found
