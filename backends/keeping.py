"""Where maps wait from one round to a later one: in an area of a tile's memory that no phase in between uses, else in
off-chip memory, where they are to begin with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cimc.isa.program import Area, Phase, Plug, RingRef, TileCode
from cimc.isa.verify.usage import tile_usage
from cimc.target.mesh import Mesh
from cimc.target.model import Target


@dataclass(slots=True)
class Waiting:
    """A map that waits. made, last: the phases that put it there and that read it last; words: of one input; tiles: of
    the rings that it comes from and goes to."""

    name: str
    made: int
    words: int
    last: int = 0
    tiles: list[int] = field(default_factory=list)


def keep_in_tiles(phases: Sequence[Phase], target: Target, shared: int, chips: int) -> tuple[Phase, ...]:
    """The phases with the maps in tile memory that have room there, `shared` inputs of each, the first made first; each
    on the tile that is nearest to where it comes from and goes to."""
    mesh, all_tiles = Mesh.of(target), range(target.chip.tiles * chips)
    ends = [{tile.number: _end(tile, target) for tile in phase.tiles} for phase in phases]
    taken: defaultdict[int, list[tuple[int, int, Area]]] = defaultdict(list)
    places: dict[str, RingRef] = {}
    for one in _waiting(phases):
        size, span = shared * one.words, range(one.made, one.last + 1)
        near = sorted(all_tiles, key=lambda tile: (sum(mesh.hops(tile, other) for other in one.tiles), tile))
        for tile in near:
            floor = max(ends[number].get(tile, 0) for number in span)
            there = [area for made, last, area in taken[tile] if made <= one.last and one.made <= last]
            address = _highest(target.tile.memory_words, size, there)
            if address >= floor:
                taken[tile].append((one.made, one.last, Area(f"kept{len(places)}", address, size)))
                places[one.name] = RingRef(tile, f"kept{len(places)}")
                break
    return tuple(_with_areas(phase, number, taken, places) for number, phase in enumerate(phases))


def _waiting(phases: Sequence[Phase]) -> list[Waiting]:
    """The maps that wait, in the order in which they are made."""
    found: dict[str, Waiting] = {}
    for number, phase in enumerate(phases):
        for plug in (*phase.inputs, *phase.outputs):
            if plug.memory and not phase.once:
                words = 1
                for extent in plug.shape:
                    words *= extent
                one = found.setdefault(plug.name, Waiting(plug.name, number, words))
                one.last = number
                one.tiles += [ref.tile for ref in plug.rings]
    return list(found.values())


def _end(tile: TileCode, target: Target) -> int:
    """The first word of a tile's memory behind all that it uses."""
    return max((region.last + 1 for region in tile_usage(tile, target.numbers).regions), default=0)


def _highest(memory: int, size: int, areas: Sequence[Area]) -> int:
    """The highest address from which so many words lie beside areas; below 0 where there is none."""
    top = memory
    for area in sorted(areas, key=lambda area: -area.address):
        if top - size >= area.address + area.words:
            break
        top = min(top, area.address)
    return top - size


def _with_areas(
    phase: Phase,
    number: int,
    taken: defaultdict[int, list[tuple[int, int, Area]]],
    places: dict[str, RingRef],
) -> Phase:
    """A phase whose tiles declare the areas that are in use, and whose inputs and outputs lie there."""

    def plug_at(plug: Plug) -> Plug:
        return replace(plug, areas=(places[plug.name],)) if plug.memory and plug.name in places else plug

    used = {tile: tuple(area for made, last, area in areas if made <= number <= last) for tile, areas in taken.items()}
    tiles = {tile.number: tile for tile in phase.tiles}
    for tile, areas in used.items():
        if areas:
            tiles[tile] = replace(tiles.get(tile, TileCode(tile)), areas=areas)
    return replace(
        phase,
        inputs=tuple(map(plug_at, phase.inputs)),
        outputs=tuple(map(plug_at, phase.outputs)),
        tiles=tuple(tiles[tile] for tile in sorted(tiles)),
    )
