"""The ScheduledGraph verifier: every task is placed once, and rings, ports, producers and FIFOs fit together.

A breach is a fault of ours, so it is an assertion. The MappedGraph in it is verify_mapped's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from cimc.ir.mapped import Task
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask, Transfer
from cimc.ir.verify_placed import verify_tasks

RingAt = tuple[int, str]


def verify_scheduled(graph: ScheduledGraph) -> None:
    """Rings exist where they are named, have the producers and ports that they say, and hold what is read of them."""
    for at, plan in graph.rings.items():
        _verify_ring(graph, at, plan)
    verify_tasks(graph.mapped, (((one.layer, one.task, one.copy), (one.tile, one.core)) for one in graph.tasks))
    for one in graph.tasks:
        _verify_task(graph, one, graph.task_of(one))
    fifos: set[tuple[int, int]] = set()
    for transfer in graph.transfers:
        _verify_transfer(graph, transfer)
        assert (transfer.tile, transfer.fifo) not in fifos, f"{transfer}: the FIFO is taken"
        fifos.add((transfer.tile, transfer.fifo))
    _verify_borders(graph)
    _verify_ends(graph)
    _verify_partials(graph)


def _label(graph: ScheduledGraph, one: ScheduledTask) -> str:
    return f'"{graph.layer_of(one).layer.name}" task {one.task} copy {one.copy} on tile {one.tile} core {one.core}'


def _ring(graph: ScheduledGraph, tile: int, name: str, who: object) -> RingPlan:
    assert (tile, name) in graph.rings, f'{who}: there is no ring "{name}" on tile {tile}'
    return graph.rings[tile, name]


def _verify_ring(graph: ScheduledGraph, at: RingAt, plan: RingPlan) -> None:
    assert at == (plan.tile, plan.name), f"{plan} is listed at {at}"
    assert min(plan.height, plan.segments, plan.channels, plan.pixels) > 0, f"an empty ring: {plan}"
    assert plan.width > 0 and plan.width % plan.segments == 0, f"uneven segments: {plan}"
    assert plan.pixels % plan.segment_pixels == 0, f"a part of a segment: {plan}"
    if plan.tensor:
        assert plan.tensor in graph.mapped.maps, f"a ring of no map: {plan}"
        m = graph.mapped.maps[plan.tensor]
        assert plan.channel >= 0 and plan.channel + plan.channels <= m.channels, f"{m.channels} channels: {plan}"
        assert plan.column >= 0 and plan.column + plan.width <= m.width, f"{m.width} columns: {plan}"
        last = plan.row + (plan.height - 1) * plan.row_step
        assert plan.row >= 0 and last < m.height, f"{m.height} rows: {plan}"


def _verify_task(graph: ScheduledGraph, one: ScheduledTask, task: Task) -> None:
    label, mapped = _label(graph, one), graph.layer_of(one)
    out = graph.mapped.maps[mapped.layer.output]
    share = mapped.share(one.copy)
    assert one.share == share, f"{label} makes {one.share}, not {share}"
    ring = _ring(graph, one.tile, one.out, label)
    assert out.width % one.pixels == 0, f"{label}: segments of {one.pixels} pixels of {out.width}"
    loops = (share.rows(out.height), share.segments(out.width // one.pixels))
    assert (one.rows, one.segments) == loops, (
        f"{label}: {one.rows} rows, {one.segments} segments; {loops} are its share"
    )
    made = ("", 0) if task.is_partial else (mapped.layer.output, task.low)
    assert (ring.tensor, ring.channel, ring.channels) == (*made, task.high - task.low), f"{label} fills {ring}"
    for source in one.sources:
        ring = _ring(graph, one.tile, source.ring, label)
        assert 0 <= source.role < len(mapped.layer.reads), f"{label}: {source}"
        assert ring.tensor == source.map, f"{label}: {source} in {ring}"
        inside = ring.channel <= source.low < source.high <= ring.channel + ring.channels
        assert inside, f"{label}: {source} in {ring}"
    _verify_syncs(label, one)


def _verify_syncs(label: str, one: ScheduledTask) -> None:
    """Every port is waited for and released, the out ring has its space and signals, and nothing else is named."""
    ports = {*((s.ring, s.port) for s in one.sources), *one.partials}
    needed = {(kind, *port) for port in ports for kind in ("wait", "release")}
    needed |= {(kind, one.out, -1) for kind in ("space", "signal")}
    there = {(sync.kind, sync.ring, sync.port) for sync in one.syncs}
    assert there == needed, f"{label}: missing {sorted(needed - there)}, not its own {sorted(there - needed)}"
    for sync in one.syncs:
        assert sync.level in ("image", "row", "segment"), f"{label}: {sync}"


def _verify_transfer(graph: ScheduledGraph, transfer: Transfer) -> None:
    source = _ring(graph, transfer.source_tile, transfer.source, transfer)
    target = _ring(graph, transfer.tile, transfer.ring, transfer)
    assert transfer.source_tile != transfer.tile, f"within a tile: {transfer}"
    assert 0 <= transfer.low < transfer.high <= source.channels, f"{transfer} of {source}"
    assert (source.tensor, source.channel + transfer.low if source.tensor else 0, transfer.high - transfer.low) == (
        target.tensor,
        target.channel,
        target.channels,
    ), f"{transfer} of {source} into {target}"
    last = transfer.segment + transfer.segments(source, target)
    assert transfer.segment >= 0 and last <= source.segments, f"{transfer} of {source} into {target}"
    assert source.segment_pixels == target.segment_pixels, f"{transfer} of {source} into {target}"


def _verify_borders(graph: ScheduledGraph) -> None:
    """Inputs are written into rings of their maps; outputs are read whole."""
    for ends, bindings in ((graph.feeds, graph.mapped.inputs), (graph.drains, graph.mapped.outputs)):
        assert len(ends) == len(bindings), f"{len(ends)} feeds or drains for {len(bindings)} tensors"
        for there, binding in zip(ends, bindings, strict=True):
            for tile, name, port in there:
                tensor = _ring(graph, tile, name, binding.tensor).tensor
                assert tensor in binding.maps, f'"{binding.tensor}" lies on {binding.maps}, not on "{tensor}"'
                assert (port == -1) == (ends is graph.feeds), f'"{binding.tensor}": port {port} of "{name}"'
    for drained, binding in zip(graph.drains, graph.mapped.outputs, strict=True):
        channels = sum(graph.rings[tile, name].channels for tile, name, _ in drained)
        whole = sum(graph.mapped.maps[name].channels for name in binding.maps)
        assert channels == whole, f'"{binding.tensor}": {channels} of {whole} channels are read'


def _verify_ends(graph: ScheduledGraph) -> None:
    """Every ring has as many producers and readers as it says, each reader at a port of its own."""
    producers, ports = Counter(_writes(graph)), defaultdict[RingAt, list[int]](list)
    for at, port in _reads(graph):
        ports[at].append(port)
    for at, plan in graph.rings.items():
        assert producers[at] == plan.producers, f"{producers[at]} producers: {plan}"
        assert sorted(ports[at]) == list(range(plan.ports)), f"ports {sorted(ports[at])}: {plan}"


def _verify_partials(graph: ScheduledGraph) -> None:
    """A task adds the sums of its partners in the same copy, in order, wherever they come from."""
    makers = {(one.tile, one.out): one for one in graph.tasks if graph.task_of(one).is_partial}
    filled_from = {(t.tile, t.ring): (t.source_tile, t.source) for t in graph.transfers}
    for one in graph.tasks:
        label, added = _label(graph, one), []
        for name, _ in one.partials:
            at = (one.tile, _ring(graph, one.tile, name, label).name)
            on_the_way = {at}
            while at in filled_from and filled_from[at] not in on_the_way:
                at = filled_from[at]
                on_the_way.add(at)
            assert at in makers, f"{label} adds {at}, which holds no partial sums"
            added.append((makers[at].layer, makers[at].task, makers[at].copy))
        wanted = [(one.layer, partner, one.copy) for partner in graph.task_of(one).partials]
        assert added == wanted, f"{label} adds (layer, task, copy) {added}, not {wanted}"


def _writes(graph: ScheduledGraph) -> Iterator[RingAt]:
    yield from ((one.tile, one.out) for one in graph.tasks)
    yield from ((transfer.tile, transfer.ring) for transfer in graph.transfers)
    yield from ((tile, name) for feed in graph.feeds for tile, name, _ in feed)


def _reads(graph: ScheduledGraph) -> Iterator[tuple[RingAt, int]]:
    for one in graph.tasks:
        yield from (((one.tile, source.ring), source.port) for source in one.sources)
        yield from (((one.tile, name), port) for name, port in one.partials)
    yield from (((t.source_tile, t.source), t.port) for t in graph.transfers)
    yield from (((tile, name), port) for drain in graph.drains for tile, name, port in drain)
