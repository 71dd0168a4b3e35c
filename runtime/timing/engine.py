"""Event-driven timing of a Program over a stream of inputs, without data.

Every stream advances in its own time; waits, spaces, releases and signals order streams through rings, sends and
receives through FIFOs, as in the token game. Shared units serve one at a time, first come first served: a tile's memory
with its bus, links between routers, a chip's links. Converters are not shared between MVMUs on any target: their time
is in the price of a product. Work is taken piece by piece (operations.py), so that the time of a run grows with the
loops that synchronise and not with the instructions.

Approximations: a piece claims its memory in one go; a message claims all links of its route when it leaves; the host
has the inputs at hand and reaches tile memory over the chip's link alone.
"""

from __future__ import annotations

from cimc.base.collector import no_collection
from cimc.base.diagnostics import Place, fail
from cimc.base.tokens import RELEASE, SEND, SIGNAL, SPACE, WAIT
from cimc.isa.cost.prices import PriceList
from cimc.isa.program import Plug, Program, RingRef
from cimc.runtime.timing.account import Accounts, area_moves, host_moves, link_seconds, settle
from cimc.runtime.timing.operations import WORK, Costed, Lists, Op, cost_stream, pieces
from cimc.runtime.timing.queue import TimedNetwork
from cimc.runtime.timing.result import Player, Timing, name_of
from cimc.runtime.timing.state import Step, TimedFifo, TimedRing, TimedStream
from cimc.runtime.timing.steps import BEGINNING, Route, bind
from cimc.runtime.timing.summary import summary
from cimc.runtime.timing.unroll import Unroller
from cimc.target.mesh import Mesh
from cimc.target.model import Target

MOST_PIECES = 250_000
"""Pieces of work an input; a program that runs more iterations has several of them taken as one."""


def time_program(
    program: Program, target: Target, inputs: int = 4, record: bool = False, grain: int | None = None
) -> Timing:
    """Time a program that cimc.isa.verify.verifier finds right for the target.

    inputs: how many stream through. record: keep the intervals of all streams. grain: iterations of a loop without
    synchronisation that are one piece of work; None chooses. Raises CimcError where the target lacks a price.
    """
    assert inputs >= 1, f"{inputs} inputs"
    with no_collection():
        return _time(program, target, inputs, record, grain)


def _time(program: Program, target: Target, inputs: int, record: bool, grain: int | None) -> Timing:
    prices = PriceList(target)
    streams: list[Costed] = []
    for tile in program.tiles:
        streams += [cost_stream(tile, code, prices) for code in tile.codes]
    if grain is None:
        grain = -(-max(1, sum(map(pieces, streams))) // MOST_PIECES)
    accounts = settle(streams, prices)
    build = _Build(program, prices, grain, record)
    bound = [build.stream(number, costed) for number, costed in enumerate(streams)]
    players: list[Player] = [(c.tile.number, c.code.unit, c.code.number) for c in streams]
    drains = []
    for plug, fills in (*((p, True) for p in program.inputs), *((p, False) for p in program.outputs)):
        for ref in plug.rings:
            if not fills:
                drains.append(len(bound))
            bound.append(build.host(len(bound), plug, ref, fills, accounts))
            players.append((ref.tile, f'{"input" if fills else "output"} "{plug.name}"', -1))
    prices.check()
    under_way = [TimedStream(number, lists, BEGINNING, inputs, record) for number, lists in enumerate(bound)]
    network = TimedNetwork(under_way, len(build.units))
    stuck = network.run()
    if stuck:
        what = (
            f"{len(stuck)} streams wait for each other for ever, the first of them {name_of(players[stuck[0].number])}"
        )
        raise fail("time.deadlock", what, Place(program.name), "`cimc asm` or `cimc run` says who waits for what")
    things = [f"ring {name} of tile {tile}" for tile, name in build.rings]
    fifos = [f"FIFO {number} of tile {tile}" for tile, number in build.fifos]
    ends = [network.streams[number].marks for number in drains] or [stream.marks for stream in network.streams]
    completions = tuple(max(marks[image].time for marks in ends if marks) for image in range(inputs))
    return summary(program, target, accounts, players, network.streams, completions, things, fifos, grain)


class _Build:
    """Unrolls streams, and binds their steps to the shared units, rings and FIFOs that they meet at, numbered as they
    come."""

    def __init__(self, program: Program, prices: PriceList, grain: int, record: bool) -> None:
        self.prices, self.record = prices, record
        self.unroller = Unroller(grain, record)
        self.mesh = Mesh.of(prices.target)
        self.units: dict[str, int] = {}
        self.fifos: dict[tuple[int, int], TimedFifo] = {}
        places = ((tile.number, ring) for tile in program.tiles for ring in tile.rings)
        self.rings = {(tile, ring.name): TimedRing(n, ring) for n, (tile, ring) in enumerate(places)}

    def stream(self, number: int, costed: Costed) -> Lists[Step]:
        """A stream of the program."""
        tile = costed.tile.number
        lists, named = self.unroller.lists(costed)
        places = list(named.fifos)
        fifos = [self._fifo(key) for key in places]
        signalled = (self.rings[tile, name] for name in named.signals)
        producer = {ring.number: ring.producer() for ring in signalled}
        routes = {
            (op.thing, op.number): self._route(tile, places[op.thing][0], op.number)
            for op in lists.ops
            if op.kind == SEND
        }
        memory, rings = self._unit(f"tile {tile} memory"), [self.rings[tile, name] for name in named.rings]
        return bind(lists, number, memory, rings, fifos, producer, routes, self.record)

    def host(self, number: int, plug: Plug, ref: RingRef, fills: bool, accounts: Accounts) -> Lists[Step]:
        """The host at a ring: slot by slot over the chip's link and through the tile's memory. What waits in an area of
        a tile comes from its memory over the mesh, or goes there."""
        timed = self.rings[ref.tile, ref.ring]
        ring = timed.ring
        words = ring.words // ring.capacity
        memory = self._unit(f"tile {ref.tile} memory")
        by_memory = self.prices.memory(words)
        if plug.areas:
            place = plug.areas[0].tile
            way = self.mesh.route(place, ref.tile) if fills else self.mesh.route(ref.tile, place)[::-1]
            area_moves(accounts, place, ref.tile, words, ring.tickets, way, self.prices)
            held = [(self._unit(f"tile {place} memory"), by_memory)]
        else:
            chip = self.mesh.chip(ref.tile)
            way = (self.mesh.way_in(chip) if fills else self.mesh.way_out(chip),)
            host_moves(accounts, ref.tile, words * ring.tickets, way[0], self.prices)
            held = []
        held += [(self._unit(link.name), link_seconds(link, words, self.prices)) for link in way]
        moves = [Op(WORK, -1, 0.0, unit, hold=hold, after=hold) for unit, hold in (*held, (memory, by_memory))]
        if fills:
            ops = [Op(SPACE, -1, 0.0, 0), *moves, Op(SIGNAL, -1, 0.0, 0)]
        else:
            ops = [Op(WAIT, -1, 0.0, 0, ref.port), *reversed(moves), Op(RELEASE, -1, 0.0, 0, ref.port)]
        tickets = [ticket for ticket in range(1, ring.tickets + 1) for _ in ops]
        lists = Lists(ops, ((), ()), ([*range(len(ops))] * ring.tickets, tickets))
        producer = {timed.number: timed.producer()} if fills else {}
        return bind(lists, number, memory, [timed], (), producer, {}, self.record)

    def _route(self, source: int, target: int, words: int) -> Route:
        return tuple(
            (
                self._unit(link.name),
                self.prices.seconds("network_hop") if link.router else 0.0,
                link_seconds(link, words, self.prices),
            )
            for link in self.mesh.route(source, target)
        )

    def _fifo(self, key: tuple[int, int]) -> TimedFifo:
        if key not in self.fifos:
            self.fifos[key] = TimedFifo(len(self.fifos), self.prices.target.tile.fifo_depth)
        return self.fifos[key]

    def _unit(self, name: str) -> int:
        return self.units.setdefault(name, len(self.units))
