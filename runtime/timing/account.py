"""Accounts of a timing run: what one input costs each unit in time and each component and layer in energy.

Control does not depend on data, so they follow from how often each instruction runs; nothing of the event queue enters.
Energy counts actions only: what idles is free (assumed, as the papers give power of parts at work).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cimc.base.tokens import RECEIVE
from cimc.isa.cost.prices import PriceList
from cimc.isa.cost.products import Setting, multiplied, product_share
from cimc.isa.effects import message_of
from cimc.isa.kinds.numbers import Mask
from cimc.isa.program import CoreCode
from cimc.isa.table import FORM
from cimc.runtime.timing.operations import Costed
from cimc.target.keys import ACTIONS, WRITTEN
from cimc.target.mesh import FLIT_BITS, Link, Mesh, flits

NO_LAYER, HOST = -1, -2
"""Where a layer's number stands: what counts for no layer, and the host's transfers."""

_COMPONENTS = {**ACTIONS, **WRITTEN}

KINDS = {"vfu": "vector unit", "sfu": "table unit"}
"""Units of the instruction table that a core has one of."""


@dataclass(slots=True)
class Accounts:
    """Sums over one input. units: s by (kind, name); streams: s by unit of the table, by stream; layers: s by layer, by
    stream; component, layer: J; setup: J, once. A layer is its number, NO_LAYER or HOST."""

    units: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    streams: list[defaultdict[str, float]] = field(default_factory=list)
    layers: list[defaultdict[int, float]] = field(default_factory=list)
    component: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    layer: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    setup: float = 0.0


def link_seconds(link: Link, words: int, prices: PriceList) -> float:
    """How long a message keeps a link. A mesh link passes a flit in the time in which a FIFO takes its words (assumed:
    no paper gives the cycle of a link apart)."""
    if link.off_chip:
        return prices.seconds("off_chip_word", words)
    bits = prices.target.numbers.word
    return prices.seconds("fifo_word", flits(words, bits) * FLIT_BITS / bits)


def settle(streams: Sequence[Costed], prices: PriceList) -> Accounts:
    """The accounts of all streams; the host's part not included (see host_moves)."""
    accounts = Accounts()
    for costed in streams:
        _settle_stream(costed, prices, accounts)
    return accounts


def host_moves(accounts: Accounts, tile: int, words: int, link: Link, prices: PriceList) -> None:
    """The host moves words of one input between a chip's link and the memory of a tile."""
    joules = prices.joules({"off_chip_word": words, "memory_word": words, "memory_bus_word": words})
    _spend(accounts, joules, HOST)
    accounts.units["memory", _memory(tile)] += prices.memory(words)
    accounts.units["link", link.name] += prices.seconds("off_chip_word", words)


def area_moves(
    accounts: Accounts, place: int, tile: int, words: int, times: int, way: Sequence[Link], prices: PriceList
) -> None:
    """Messages of so many words, `times` of one input, move between an area of a tile and the memory of a tile."""
    mesh, total = Mesh.of(prices.target), words * times
    hops = times * flits(words, prices.target.numbers.word) * mesh.hops(place, tile)
    crosses = total if mesh.chip(place) != mesh.chip(tile) else 0
    moved = {"memory_word": 2 * total, "memory_bus_word": 2 * total, "network_hop": hops, "off_chip_word": crosses}
    _spend(accounts, prices.joules(moved), HOST)
    for end in (place, tile):
        accounts.units["memory", _memory(end)] += prices.memory(total)
    for link in way:
        accounts.units["link", link.name] += times * link_seconds(link, words, prices)


def _settle_stream(costed: Costed, prices: PriceList, accounts: Accounts) -> None:
    tile, code = costed.tile, costed.code
    setting = Setting(prices.target, tile, code if isinstance(code, CoreCode) else None)
    times_of: defaultdict[str, float] = defaultdict(float)
    layers: defaultdict[int, float] = defaultdict(float)
    spent: dict[int, dict[str, float]] = {}  # many instructions of a stream have one and the same Cost
    for instruction, cost, once, each in costed.executions():
        if id(cost) not in spent:
            spent[id(cost)] = prices.joules(cost.counts)
        joules = spent[id(cost)]
        accounts.setup += once * sum(joules.values())
        if not each:
            continue
        _spend(accounts, {action: each * amount for action, amount in joules.items()}, instruction.origin)
        form = FORM[instruction.mnemonic]
        times_of["fetch"] += each * cost.fetch
        times_of[form.unit] += each * cost.own
        layers[instruction.origin] += each * cost.seconds
        if cost.memory:
            accounts.units["memory", _memory(tile.number)] += each * cost.memory
        if form.unit in KINDS:
            accounts.units[KINDS[form.unit], f"tile {tile.number} core {code.number}"] += each * cost.own
        elif form.has(Mask):
            for number, held in multiplied(form.operand(instruction, Mask), setting).items():
                share = product_share(prices.target, held)
                name = f"tile {tile.number} core {code.number} MVMU {number}"
                accounts.units["MVMU", name] += each * prices.seconds("mvm", share)
        message = message_of(instruction, tile.number) if form.event is not None else None
        if message is not None and message.kind == RECEIVE:
            name = f"tile {tile.number} FIFO {message.fifo[1]}"
            accounts.units["FIFO", name] += each * prices.seconds("fifo_word", cost.counts["fifo_word"])
        elif message is not None:
            for link in Mesh.of(prices.target).route(tile.number, message.fifo[0]):
                accounts.units["link", link.name] += each * link_seconds(link, message.window.words, prices)
    accounts.streams.append(times_of)
    accounts.layers.append(layers)


def _spend(accounts: Accounts, joules: dict[str, float], layer: int) -> None:
    for action, amount in joules.items():
        accounts.component[_COMPONENTS[action].component] += amount
        accounts.layer[layer] += amount


def _memory(tile: int) -> str:
    return f"tile {tile} memory"
