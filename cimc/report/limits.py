"""What limits the rate of a compiled program, and what would raise it.

Advice follows from the bottleneck that the timing found, from how long each layer is busy, and from how many copies a
layer can have. It is a bound of what one change can do, not a promise: whatever is slowest then, limits next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cimc.base.quantities import si
from cimc.ir.mapped import MappedGraph
from cimc.layer_kinds.matrix.mapped import as_matrix
from cimc.passes.crossbars.duplicate import load_of
from cimc.passes.crossbars.replicate import replicate
from cimc.report.cost_model import Limit
from cimc.runtime.timing.result import StreamTime, Timing
from cimc.target.model import Target

WORKS = 0.9
"""A stream that is occupied for a smaller share of the time between inputs waits for others more than they for it."""


FASTER = 2
"""How many times as fast advice wants a slowest layer."""
WORTHWHILE = 1.05
"""Times the rate below which no copies are advised."""
NAMED = 3
"""Layers that one piece of advice names."""


@dataclass(frozen=True, slots=True)
class LayerLoad:
    """A layer as advice sees it.

    cores: seconds of one input by (tile, core). mvmus: of all copies. offers: the numbers of copies that it can have,
    rising, each with the share of the work of the copy that has most, in any unit; empty of layers without a matrix.
    eased: what its seconds come down to (1: they do not) where --mvmus lets copies lie beside each other on its MVMU.
    """

    name: str
    cores: Mapping[tuple[int, int], float]
    mvmus: int
    copies: int
    offers: tuple[tuple[int, int], ...]
    eased: float = 1.0

    @property
    def seconds(self) -> float:
        """That its busiest core works for it."""
        return max(self.cores.values(), default=0.0)


def loads_of(
    mapped: MappedGraph,
    names: Sequence[str],
    target: Target,
    seconds: Mapping[int, Mapping[tuple[int, int], float]],
    products: Mapping[tuple[int, int], float],
) -> list[LayerLoad]:
    """Every layer, by index. names: of them. seconds: by layer, by core; products: what of a core's work is products,
    as a share."""
    found = []
    replicated = replicate(mapped, target)
    for index, (one, name) in enumerate(zip(mapped.layers, names, strict=True)):
        offers: tuple[tuple[int, int], ...] = ()
        if as_matrix(one) is not None:
            load = load_of(mapped, target, one)
            offers = tuple((copies, load.turns(copies)) for copies in load.steps())
        mvmus = sum(len(task.blocks) for task in one.tasks) * one.copies
        cores = seconds.get(index, {})
        busiest = max(cores, key=lambda core: cores[core], default=None)
        fewer = 1 - one.replicas / max(one.replicas, replicated.layers[index].replicas)
        eased = 1.0 if busiest is None else 1 - fewer * products.get(busiest, 0.0)
        found.append(LayerLoad(name, cores, mvmus, one.copies, offers, eased))
    return found


def limit_of(timing: Timing, loads: Sequence[LayerLoad], target: Target) -> Limit:
    """What limits a timed program. loads: of every layer, by index."""
    bottleneck = timing.bottleneck
    unit = next((unit for unit in timing.units if unit.shared and unit.name == bottleneck.name), None)
    stream = None if unit else next(stream for stream in timing.streams if stream.name == bottleneck.name)
    if unit is not None and unit.kind == "memory":
        kind, (layer, help_) = "memory", _memory_help(loads, int(unit.name.split()[1]))
    elif unit is not None:
        kind, layer, help_ = "link", "", [_link_help(unit.name, target)]
    elif stream is not None and stream.unit == "core":
        kind, (layer, help_) = "core", _core_help(loads, stream, bottleneck.share < WORKS, timing.layers)
    elif stream is not None and stream.unit == "channel":
        kind, layer, help_ = "transfer", timing.layers[stream.layer], [
            "A transfer takes a core's place as the slowest: fewer MVMUs (a smaller --mvmus) bring layers that hand on "
            "to each other closer together, and a target with faster FIFOs or links (prices.fifo_word, "
            "prices.network_hop) shortens every message."
        ]  # fmt: skip
    else:
        kind, layer, help_ = "host", "", [
            "The host moves inputs and outputs over the chip's link; a faster one (prices.off_chip_word) helps."
        ]  # fmt: skip
    return Limit(bottleneck.name, kind, layer, bottleneck.why, round(100 * bottleneck.share, 2), tuple(help_))


def _core_help(
    loads: Sequence[LayerLoad], stream: StreamTime, waits: bool, names: Sequence[str]
) -> tuple[str, list[str]]:
    """The layer that a core works for most, and what would relieve the core. waits: for others, more than it works."""
    place = stream.tile, stream.number
    there = [load for load in loads if place in load.cores]
    layer = max(there, key=lambda load: load.cores[place], default=None)
    said: list[str] = []
    if waits:
        said.append(
            "No stream works all the time: they wait for each other, this one most for "
            f"{stream.waits_for or 'nothing'}. `cimc trace` shows whose rows come late."
        )
    if layer is None:
        return names[stream.layer], said
    return layer.name, [*said, *_layer_help(layer, loads, stream)]


def _layer_help(layer: LayerLoad, loads: Sequence[LayerLoad], stream: StreamTime) -> list[str]:
    """What would relieve a layer's busiest core."""
    copies = _copies_help(layer, loads)
    if copies:
        return [copies]
    said = []
    most = max(stream.by_unit, key=lambda unit: stream.by_unit[unit], default="")
    if layer.offers and layer.offers[-1][0] > layer.copies:
        other = max(loads, key=_least)
        said.append(
            f'More copies of "{layer.name}" alone help little: "{other.name}" takes {si(_least(other), "s")} with all '
            "the copies that it can have."
        )
    elif layer.offers and layer.offers[-1][1] > 1:
        said.append(
            f'"{layer.name}" can have no more copies: what they make at the same time would not fit the memory or the '
            "FIFOs of a tile. A target with more of them (tile.memory_words, tile.fifos) makes room."
        )
    elif layer.offers:
        said.append(f'"{layer.name}" can have no more copies: there is no work left to share.')
    else:
        said.append(f'"{layer.name}" has no matrix, so it has no copies: it works on the vector unit of its cores.')
    prices = {
        "mvmu": "Narrower inputs (--input-bits, where the network does not carry its own quantisation) shorten "
        "products if bits are fed one after the other.",
        "vfu": "A target with a faster vector unit (prices.alu) helps.",
        "sfu": "A target with faster tables (prices.table_lookup) helps.",
        "memory": "A target with a faster tile memory (prices.memory_word, prices.memory_bus_word) helps.",
        "fetch": "Most of its time goes into fetching instructions: a target with a faster control (prices."
        "core_instruction) helps.",
    }
    return [*said, prices[most]] if most in prices else said


def _copies_help(layer: LayerLoad, loads: Sequence[LayerLoad]) -> str:
    """The copies that it takes to make a layer twice as fast, and all that are as slow as it; "" where that is not to
    be had. Where no copies can do that much, as fast as they can."""
    goal = max(layer.seconds / FASTER, *(_least(load) for load in loads))
    chosen = [(load, *_enough(load, goal)) for load in loads if load.seconds > goal]
    after = {load.name: load.seconds * load.eased for load in loads}
    after |= {load.name: seconds for load, _, seconds in chosen}
    slowest = max(loads, key=lambda load: after[load.name])
    left = after[slowest.name]
    if not left or layer.seconds / left < WORTHWHILE:
        return ""
    more = sum(load.mvmus // load.copies * (copies - load.copies) for load, copies, _ in chosen)
    budget = sum(load.mvmus for load in loads) + more
    copied = [(load, copies) for load, copies, _ in chosen if copies > load.copies]
    named = [f'"{load.name}" {copies} instead of {load.copies}' for load, copies in copied[:NAMED]]
    others = f" and {len(copied) - NAMED} more layers" if len(copied) > NAMED else ""
    take = f"{', '.join(named)}{others} take {more:,} more MVMU{'s' if more != 1 else ''}"
    if any(load.eased < 1 for load, *_ in chosen):
        packed = "lie beside each other on an MVMU where they fit"
        take = f"{take}, and {packed}" if copied else f"they {packed}"
    return (
        f"Copies share a layer's work: {take} (--mvmus {budget}, or more). That raises the rate at most "
        f'{layer.seconds / left:.3g} times; then "{slowest.name}" is slowest with {si(left, "s")}.'
    )


def _least(load: LayerLoad) -> float:
    """Seconds of a layer with all the copies that it can have."""
    return _enough(load, 0.0)[1]


def _enough(load: LayerLoad, seconds: float) -> tuple[int, float]:
    """The fewest copies with which a layer takes at most so long, or as many as it can have; and how long it takes."""
    eased = load.seconds * load.eased
    now = [turns for copies, turns in load.offers if copies <= load.copies]
    further = [(copies, eased * turns / now[-1]) for copies, turns in load.offers if copies > load.copies]
    able = [(load.copies, eased), *further]
    return next((offer for offer in able if offer[1] <= seconds), able[-1])


def _memory_help(loads: Sequence[LayerLoad], tile: int) -> tuple[str, list[str]]:
    """The busiest layer of a tile, and what would relieve the tile's memory."""
    there = [load for load in loads if any(place[0] == tile for place in load.cores)]
    layer = max(there, key=lambda load: load.seconds, default=None)
    copies = "" if layer is None else _copies_help(layer, loads)
    said = [f"{copies} Copies on other tiles load from the memories of those."] if copies else []
    said.append(
        f"The cores of tile {tile} queue for its memory: a target with a faster one (prices.memory_word, "
        "prices.memory_bus_word), or with fewer cores a tile, helps."
    )
    return "" if layer is None else layer.name, said


def _link_help(name: str, target: Target) -> str:
    """What would relieve a link."""
    if "chip" in name:
        return (
            f"Words in and out of the chip take the time: a target with a faster link (prices.off_chip_word), or "
            f"with more than {target.chip.tiles:,} tiles a chip where several chips are in use, helps."
        )
    return (
        "Messages queue on the mesh: a target with a faster network (prices.fifo_word, prices.network_hop) helps, and "
        "so does a smaller --mvmus, which makes fewer copies to send rows to."
    )
