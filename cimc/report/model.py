"""The mapping report as data. Sizes are in words, bytes and counts; shares are in percent of what there is."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.base.layer_names import LayerNames
from cimc.base.quantities import tiles_text, travel_text
from cimc.base.shown import Facts, Shown
from cimc.report.cost_model import CostReport, LayerCost, Writing
from cimc.report.rounds import RoundsReport

REPORT_FORMAT = 4
"""The version of report.json; it changes when a field changes its meaning, comes or goes away."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole program.

    tiles, chips: in use; tiles_of_chip: that one chip has. mvmus: units that hold a matrix; mvmus_on_tiles: units of
    the tiles in use. weights: numbers stored in cells, in all, copies not counted. memory_operations,
    vector_operations: multiply-adds of one input in crossbars, and operations of the layers without a matrix on the
    vector units (an element once for each operand or window place); in_memory_percent: the first one's share of both.
    """

    network: str
    target: str
    tiles: int
    chips: int
    tiles_of_chip: int
    cores: int
    mvmus: int
    mvmus_on_tiles: int
    instructions: int
    code_bytes: int
    memory_words: int
    weights: int
    memory_operations: int
    vector_operations: int
    in_memory_percent: float


@dataclass(frozen=True, slots=True)
class Format:
    """A number format: real = scale * (q - zero), low <= q <= high; bits that hold q."""

    scale: float
    zero: int
    low: int
    high: int
    bits: int


@dataclass(frozen=True, slots=True)
class PlugReport:
    """A network input or output: shape of one lane, type, and its format on the chip."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    format: Format

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}"


@dataclass(frozen=True, slots=True)
class MatrixReport:
    """A layer's matrix on crossbars.

    rows, columns: of the matrix - inputs of a dot product, outputs; groups of a grouped convolution share neither.
    weights: numbers in it. slices: cells a weight takes (a differential pair counts once). row_split, column_split:
    into how many blocks it is cut along each. rows_percent, columns_percent: what the blocks take of the rows and
    columns of their MVMUs; cells_percent: of the cells.
    shift: bits that XbarOut is rounded by. vectors: matrix-vector products of one input, shared by the copies.
    copies: on MVMUs of their own; beside: on each MVMU, block-diagonally, so that a product takes so many vectors.
    mvmus, crossbars: of all copies together.
    """

    rows: int
    columns: int
    groups: int
    weights: int
    encoding: str
    weight_bits: int
    input_bits: int
    input_signed: bool
    slices: int
    row_split: int
    column_split: int
    mvmus: int
    crossbars: int
    rows_percent: float
    columns_percent: float
    cells_percent: float
    shift: int
    vectors: int
    copies: int
    beside: int

    @property
    def copies_text(self) -> str:
        """Copies, and times how many beside each other where there are several."""
        return str(self.copies) if self.beside == 1 else f"{self.copies}x{self.beside}"


@dataclass(frozen=True, slots=True)
class LayerReport:
    """A layer. kind: "matrix", "max pool", "average pool", "sum", "product", "max", "min" or "softmax".

    name: see cimc.base.layer_names. origin: its ONNX nodes. output: the tensor it makes, height x width x channels, and
    its format. tiles, cores: how many it runs on. operations: see Summary. matrix: None where it has none. cost: None
    where the report has none.
    """

    name: str
    origin: str
    kind: str
    output: str
    height: int
    width: int
    channels: int
    format: Format
    tiles: int
    cores: int
    operations: int
    matrix: MatrixReport | None
    cost: LayerCost | None


@dataclass(frozen=True, slots=True)
class CoreReport:
    """A core: the layers it works for, bytes of code of how many, MVMUs that hold a matrix of how many.

    cells_percent: cells that hold weights, of all cells of its MVMUs. seconds, joules: that it works and spends for one
    input; None where the report has no cost.
    """

    core: int
    layers: tuple[str, ...]
    code_bytes: int
    code_capacity: int
    mvmus: int
    mvmu_capacity: int
    cells_percent: float
    seconds: float | None
    joules: float | None


@dataclass(frozen=True, slots=True)
class RegionReport:
    """A run of tile memory: a "ring", "scale", "vector" or "table". tensor: whose values a ring holds, or ""."""

    kind: str
    name: str
    tensor: str
    words: int


@dataclass(frozen=True, slots=True)
class TileReport:
    """A tile: memory words and bytes of transfer code of how many, receive FIFOs of how many, its cores.

    tile: counted over all chips, chip after chip; round: in which it is used like this. largest: what takes most of its
    memory (None where it is empty). joules: that it spends for one input; None where the report has no cost.
    """

    tile: int
    chip: int
    memory_words: int
    memory_capacity: int
    largest: RegionReport | None
    channel_bytes: int
    channel_capacity: int
    fifos: int
    fifo_capacity: int
    joules: float | None
    cores: tuple[CoreReport, ...]
    round: int

    @property
    def fill(self) -> float:
        """What it takes of its memory, in percent."""
        return 100 * self.memory_words / self.memory_capacity if self.memory_capacity else 0.0

    @property
    def most_fill(self) -> float:
        """What the largest takes of its memory, in percent."""
        return 100 * self.largest.words / self.memory_capacity if self.largest and self.memory_capacity else 0.0


@dataclass(frozen=True, slots=True)
class TravelReport:
    """What one input makes travel over the mesh, with the tiles where they are, and with tiles in network order.

    hops: flits times the routers that they pass. off_chip: flits from one chip to another.
    """

    hops: int
    hops_in_order: int
    off_chip: int
    off_chip_in_order: int


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that the compiler gave."""

    code: str
    what: str
    where: str
    todo: str


@dataclass(frozen=True, slots=True, repr=False)
class Report(Shown):
    """The mapping report of a program. program: sha256 of its binary form (hex); weights: of its arrays.

    cost: time and energy of a stream of inputs; None where the target lacks prices for it, which `unpriced` then says.
    rounds: of a program that runs in rounds, whose time and energy stand there. travel: None where tiles have no
    places.
    """

    format: int
    program: str
    weights: str
    summary: Summary
    cost: CostReport | None
    unpriced: str
    writing: Writing
    rounds: RoundsReport | None
    travel: TravelReport | None
    inputs: tuple[PlugReport, ...]
    outputs: tuple[PlugReport, ...]
    layers: tuple[LayerReport, ...]
    tiles: tuple[TileReport, ...]
    warnings: tuple[Warned, ...]

    def facts(self) -> Facts:
        """The whole program in a few numbers, and what it takes."""
        s, t = self.summary, self.travel
        operations = s.memory_operations + s.vector_operations
        facts = [
            ("network", s.network),
            ("target", s.target),
            ("tiles", tiles_text(s.tiles, s.chips, s.tiles_of_chip)),
            ("cores", f"{s.cores:,}"),
            ("MVMUs", f"{s.mvmus:,} of {s.mvmus_on_tiles:,} on these tiles"),
            ("inputs", ", ".join(map(str, self.inputs))),
            ("outputs", ", ".join(map(str, self.outputs))),
            ("weights", f"{s.weights:,}"),
            ("tile memory", f"{s.memory_words:,} words"),
        ]
        if t is not None and t.hops:
            facts.append(("flit hops", travel_text(t.hops, t.hops_in_order)))
        if t is not None and (t.off_chip or s.chips > 1):
            facts.append(("between chips", travel_text(t.off_chip, t.off_chip_in_order, "flits")))
        facts += [
            ("instructions", f"{s.instructions:,}, {s.code_bytes:,} bytes"),
            ("work in memory", f"{s.in_memory_percent:.2f} % of {operations:,} operations an input"),
        ]
        if self.unpriced:
            facts.append(("time and energy", f"not known: {self.unpriced}"))
        if self.cost is not None:
            facts += self.cost.facts()
        return facts + (self.rounds.facts() if self.rounds is not None else [("writing weights", str(self.writing))])

    @property
    def costs(self) -> CostReport | RoundsReport | None:
        """Whatever has latency, rate and energy; None where they are not known."""
        return self.rounds if self.rounds is not None else self.cost

    @property
    def names(self) -> LayerNames:
        """What its layers are called."""
        return LayerNames((layer.output, layer.origin) for layer in self.layers)
