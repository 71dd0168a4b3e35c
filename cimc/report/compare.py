"""Two mapping reports side by side: figures of the whole programs, and layers that have the same name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cimc.base.quantities import per_second, si
from cimc.base.shown import Facts, Shown
from cimc.report.model import LayerReport, Report

MISSING = "-"
COMPARISON_FORMAT = 1
"""The version of a comparison as JSON."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both sides. unit: "", "words", "bytes", "%", "s", "1/s" or "J".

    a, b: None where a side has none (no price, no matrix, no such layer). difference: b - a; ratio: b / a, None where
    a is 0; both None where a side has no figure.
    """

    name: str
    unit: str
    a: float | None
    b: float | None
    difference: float | None
    ratio: float | None

    def text(self, value: float | None) -> str:
        """A value in its unit."""
        if value is None:
            return MISSING
        if self.unit in ("s", "J"):
            return si(value, self.unit)
        if self.unit == "%":
            return f"{value:.1f} %"
        return per_second(value) if self.unit == "1/s" else f"{value:,.0f} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer by its name. side: "both", or "A" or "B" if only one of the programs has it."""

    name: str
    side: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the programs: where it was read from, its network, target, and why figures are missing ("" if none is)."""

    source: str
    network: str
    target: str
    unpriced: str
    program: str
    limit: str


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Shown):
    """Two mappings. a, b: the programs; figures: of the whole programs; layers: in the order of A, then B's others."""

    format: int
    a: Side
    b: Side
    figures: tuple[Figure, ...]
    layers: tuple[LayerPair, ...]

    def facts(self) -> Facts:
        """Both programs, and each figure of A and B."""
        sides = [(name, f"{side.source}: {side.network} for {side.target}") for name, side in self.sides()]
        return [*sides, *((one.name, f"{one.text(one.a)} → {one.text(one.b)}") for one in self.figures)]

    def sides(self) -> tuple[tuple[str, Side], ...]:
        """The programs with their letters."""
        return ("A", self.a), ("B", self.b)


Number = int | float | None

_WHOLE: tuple[tuple[str, str, Callable[[Report], Number]], ...] = (
    ("tiles", "", lambda r: r.summary.tiles),
    ("chips", "", lambda r: r.summary.chips),
    ("cores", "", lambda r: r.summary.cores),
    ("MVMUs", "", lambda r: r.summary.mvmus),
    ("weights", "", lambda r: r.summary.weights),
    ("cells written", "", lambda r: r.writing.cells),
    ("tile memory", "words", lambda r: r.summary.memory_words),
    ("fullest tile", "%", lambda r: max((tile.fill for tile in r.tiles), default=0.0)),
    ("flit hops", "", lambda r: None if r.travel is None else r.travel.hops),
    ("flits between chips", "", lambda r: None if r.travel is None else r.travel.off_chip),
    ("instructions", "", lambda r: r.summary.instructions),
    ("code", "bytes", lambda r: r.summary.code_bytes),
    ("work in memory", "%", lambda r: r.summary.in_memory_percent),
    ("rounds", "", lambda r: 1 if r.rounds is None else len(r.rounds.rounds)),
    ("latency", "s", lambda r: None if r.costs is None else r.costs.latency),
    ("between inputs", "s", lambda r: None if r.costs is None else r.costs.interval),
    ("inputs a second", "1/s", lambda r: None if r.costs is None else r.costs.rate),
    ("energy an input", "J", lambda r: None if r.costs is None else r.costs.joules),
    ("writing: time", "s", lambda r: r.writing.seconds),
    ("writing: energy", "J", lambda r: r.writing.joules),
)
"""Figures of a whole program: name, unit, value."""

_OF_LAYER: tuple[tuple[str, str, Callable[[LayerReport], Number]], ...] = (
    ("MVMUs", "", lambda x: None if x.matrix is None else x.matrix.mvmus),
    ("copies", "", lambda x: None if x.matrix is None else x.matrix.copies),
    ("slices", "", lambda x: None if x.matrix is None else x.matrix.slices),
    ("cells filled", "%", lambda x: None if x.matrix is None else x.matrix.cells_percent),
    ("cores", "", lambda x: x.cores),
    ("busy", "s", lambda x: None if x.cost is None else x.cost.seconds),
    ("energy", "J", lambda x: None if x.cost is None else x.cost.joules),
)
"""Figures of a layer: name, unit, value."""


def compare(a: Report, b: Report, source_a: str, source_b: str) -> Comparison:
    """Put two reports side by side. source_a, source_b: where they were read from."""
    return Comparison(
        COMPARISON_FORMAT,
        _side(a, source_a),
        _side(b, source_b),
        tuple(_figure(name, unit, of(a), of(b)) for name, unit, of in _WHOLE),
        _layers(a.layers, b.layers),
    )


def _side(report: Report, source: str) -> Side:
    s = report.summary
    limit = "" if report.cost is None else f"{report.cost.limit.name} {report.cost.limit.why}"
    missing = "; ".join(text for text in (report.unpriced, report.writing.unpriced) if text)
    return Side(source, s.network, s.target, missing, report.program, limit)


def _layers(a: Iterable[LayerReport], b: Iterable[LayerReport]) -> tuple[LayerPair, ...]:
    """Layers by name; the second of a name with the second of that name, and so on."""
    ours, theirs = _by_name(a), _by_name(b)
    pairs = []
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        one, other = ours.get(key), theirs.get(key)
        side = "both" if one is not None and other is not None else "A" if other is None else "B"
        figures = tuple(
            _figure(name, unit, None if one is None else of(one), None if other is None else of(other))
            for name, unit, of in _OF_LAYER
        )
        pairs.append(LayerPair(key[0], side, figures))
    return tuple(pairs)


def _by_name(layers: Iterable[LayerReport]) -> dict[tuple[str, int], LayerReport]:
    seen: defaultdict[str, int] = defaultdict(int)
    found = {}
    for layer in layers:
        found[layer.name, seen[layer.name]] = layer
        seen[layer.name] += 1
    return found


def _figure(name: str, unit: str, a: Number, b: Number) -> Figure:
    if a is None or b is None:
        return Figure(name, unit, a, b, None, None)
    return Figure(name, unit, a, b, b - a, b / a if a else None)
