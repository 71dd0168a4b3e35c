"""The PlacedGraph verifier: every task is on one core, tiles hold what is on them, and all that is read comes there.

A breach is a fault of ours, so it is an assertion. The MappedGraph in it is verify_mapped's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import (
    AccessRegion,
    CopyPiece,
    PartialSum,
    Piece,
    PlacedGraph,
    PlacedRing,
    PlacedTask,
    PlacedTile,
    RingKey,
    TaskAt,
)


def verify_placed(graph: PlacedGraph) -> None:
    """Tasks on cores, rings within their tiles, each filled once or from elsewhere, and relays on the way."""
    numbers = [tile.number for tile in graph.tiles]
    assert numbers == list(range(len(numbers))), f"tiles {numbers}"
    verify_tasks(graph.mapped, ((task.at, (tile.number, task.core)) for tile in graph.tiles for task in tile.tasks))
    pieces = {Piece(name, low): high for name, there in graph.mapped.pieces().items() for low, high in there}
    for tile in graph.tiles:
        for key, ring in tile.rings.items():
            _verify_ring(graph, tile, key, ring, pieces)
        for task in tile.tasks:
            _verify_task(graph, tile, task)
        _verify_room(graph, tile)
    _verify_made(graph)
    _verify_relays(graph)


def verify_tasks(graph: MappedGraph, tasks: Iterable[tuple[TaskAt, tuple[int, int]]]) -> None:
    """Every task of every copy is on one (tile, core), and those share a core that say so."""
    wanted = Counter(
        (layer, task, copy)
        for layer, mapped in enumerate(graph.layers)
        for task in range(len(mapped.tasks))
        for copy in range(mapped.copies)
    )
    placed = Counter[TaskAt]()
    cores, spread = defaultdict[tuple[int, int], list[int]](list), defaultdict[int, set[tuple[int, int]]](set)
    for at, core in tasks:
        placed[at] += 1
        if at in wanted:
            shares = graph.layers[at[0]].tasks[at[1]].shares
            cores[core].append(shares)
            spread[shares].add(core)
    assert placed == wanted, (
        f"(layer, task, copy) missing: {list(wanted - placed)[:8]}, too often: {list(placed - wanted)[:8]}"
    )
    for core, found in cores.items():
        assert len(found) == 1 or {*found} == {max(0, found[0])}, f"tasks of cores {found} are on (tile, core) {core}"
    for shares, there in spread.items():
        assert shares < 0 or len(there) == 1, f"core {shares} is on (tile, core) {sorted(there)}"


def _verify_ring(
    graph: PlacedGraph, tile: PlacedTile, key: RingKey, ring: PlacedRing, pieces: Mapping[Piece, int]
) -> None:
    """It lies within what it is a ring of, in whole segments. pieces: their last channels."""
    label = f"tile {tile.number}: {key} in {ring}"
    if isinstance(key, Piece):
        assert key in pieces, f"{label}: there is no such piece"
        low, high = key.channel, pieces[key]
    else:
        task = graph.task_of(key)
        assert task.is_partial == isinstance(key, PartialSum), f"{label}: {task.is_partial=}"
        assert 0 <= key.copy < graph.layer_of(key).copies, f"{label}: no such copy"
        low, high = task.low, task.high
    assert low <= ring.low < ring.high <= high, f"{label}: channels {low} to {high} are there"
    assert ring.remote or (ring.low, ring.high) == (low, high), f"{label}: all of {low} to {high} are made here"
    whole = graph.segments[graph.map_of(key)]
    left, right = ring.part or (0, whole)
    assert ring.part is None or (ring.remote and isinstance(key, Piece)), f"{label}: a part of every row"
    assert 0 <= left < right <= whole, f"{label}: {whole} segments are there"
    _, width, segments = graph.extent(key, ring)
    assert ring.pixels > 0 and ring.pixels % (width // segments) == 0, f"{label}: no whole segments"


def _verify_task(graph: PlacedGraph, tile: PlacedTile, task: PlacedTask) -> None:
    """Its ring is the one that it fills, and its tile has a ring for all that it reads."""
    mapped, body = graph.layer_of(task), graph.task_of(task)
    label = f'"{mapped.layer.name}" task {task.task} copy {task.copy} on tile {tile.number}'
    piece = Piece(mapped.layer.output, body.low)
    here = piece in tile.rings and not tile.rings[piece].remote
    own: RingKey = piece if mapped.copies == 1 or here else CopyPiece(*task.at)
    own = PartialSum(*task.at) if body.is_partial else own
    assert task.out == own, f"{label} fills {task.out}, not {own}"
    assert own in tile.rings and not tile.rings[own].remote, f"{label}: there is no ring of its own"
    assert 0 <= task.core < graph.room.cores, f"{label}: core {task.core} of {graph.room.cores}"
    for region in task.regions:
        _verify_region(graph, tile, region, label, mapped.layer.reads[region.role].maps)
    for key in graph.sums_of(task):
        assert key in tile.rings, f"{label}: no ring of {key}"
    for run in (run for block in body.blocks for run in block.runs):
        given = [(one.low, one.high) for one in task.regions if one.role == 0 and one.piece.map == run.map]
        end = run.channel + run.channels
        read = sum(max(0, min(high, end) - max(low, run.channel)) for low, high in given)
        assert read == run.channels, f"{label} multiplies {run} and reads {given}"


def _verify_region(graph: PlacedGraph, tile: PlacedTile, region: AccessRegion, label: str, maps: Iterable[str]) -> None:
    """It is of the layer's operand, and its ring holds as much as is looked at at once."""
    assert region.piece.map in maps, f"{label}: {region} of {maps}"
    assert region.piece in tile.rings, f"{label}: no ring of {region}"
    ring = tile.rings[region.piece]
    assert ring.low <= region.low < region.high <= ring.high, f"{label}: {region} of {ring}"
    height, width, segments = graph.extent(region.piece, ring)
    rows = min(region.span + max(region.first, 0), height)
    least = width // segments if region.streaming else rows * width
    assert ring.pixels >= least, f"{label}: {region} of {ring}, which must hold {least} pixels"


def _verify_room(graph: PlacedGraph, tile: PlacedTile) -> None:
    """Memory and receive FIFOs suffice."""
    there = f"tile {tile.number}"
    assert tile.words <= graph.room.memory_words, f"{there}: {tile.words} words of {graph.room.memory_words}"
    fifos, here, inputs = 0, Counter(task.out for task in tile.tasks), graph.inputs
    for key, ring in tile.rings.items():
        if ring.remote:
            fifos += not (isinstance(key, Piece) and key.map in inputs)
            continue
        makers = _makers(graph, key)
        assert 0 < makers >= here[key] and (makers > 1 or here[key] == 1), f"{there}: {here[key]} tasks make {key}"
        fifos += makers - here[key]
    assert fifos <= graph.room.fifos, f"{there}: {fifos} receive FIFOs of {graph.room.fifos}"


def _makers(graph: PlacedGraph, key: RingKey) -> int:
    """How many tasks make what a ring holds."""
    if not isinstance(key, Piece):
        return 1
    return next((mapped.copies for mapped in graph.mapped.layers if mapped.layer.output == key.map), 0)


def _verify_made(graph: PlacedGraph) -> None:
    """Everything is made on one tile, that is read, sent to where copies are gathered, or an output."""
    made = Counter(key for _, key, ring in graph.rings() if not ring.remote)
    twice = [key for key, count in made.items() if count > 1]
    assert not twice, f"made on several tiles: {twice[:8]}"
    pieces, inputs = graph.mapped.pieces(), graph.inputs
    for tile, key, ring in graph.rings():
        if ring.remote and not (isinstance(key, Piece) and key.map in inputs):
            assert key in made, f"tile {tile}: {key} is made nowhere"
        if isinstance(key, CopyPiece):
            piece = Piece(graph.map_of(key), graph.task_of(key).low)
            assert piece in made, f"tile {tile}: {key} is gathered nowhere"
    for name in (name for binding in graph.mapped.outputs for name in binding.maps if name not in inputs):
        for low, _ in pieces[name]:
            assert Piece(name, low) in made, f'output "{name}" from channel {low} on is made nowhere'


def _verify_relays(graph: PlacedGraph) -> None:
    """What passes through others does so in rings of the same channels and segments that nobody reads there."""
    on_the_way: set[tuple[int, RingKey]] = set()
    for tile, key, ring in graph.rings():
        for relay in ring.relays:
            label = f"tile {tile}: {key} through tile {relay}"
            assert 0 <= relay < len(graph.tiles) and relay != tile, f"{label}, which is no other tile"
            assert (relay, key) not in on_the_way, f"{label}, which passes it to two"
            on_the_way.add((relay, key))
            held = graph.tiles[relay].rings.get(key)
            assert held is not None, f"{label}, which has no ring of it"
            same = (held.low, held.high, held.part, held.remote) == (ring.low, ring.high, ring.part, True)
            assert same and not held.relays, f"{label}: {ring} from {held}"
    for one in graph.tiles:
        read: set[RingKey] = {region.piece for task in one.tasks for region in task.regions}
        read |= {key for task in one.tasks for key in graph.sums_of(task)}
        for key, ring in one.rings.items():
            passes = (one.number, key) in on_the_way
            assert not ring.remote or (key in read) != passes, (
                f"tile {one.number}: {key} is {'read and' if passes else 'neither read nor'} passed on"
            )
