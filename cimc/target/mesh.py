"""The network between tiles: a concentrated mesh of routers, by tile number, and one link in and out of every chip.

A router serves 4 tiles; routers lie row by row in a square (PUMA, ASPLOS 2019: concentrated mesh with 32-bit flits;
ISAAC, ISCA 2016: a router shared by 4 tiles). Messages go along x first, then along y. Assumed, as no paper says it:
the order of the numbers, a chip's link standing at its router 0, and that every chip reaches every other over these
links.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cimc.target.model import Target

FLIT_BITS = 32
"""Bits of a flit (PUMA, ASPLOS 2019, hardware table; ISAAC, ISCA 2016, design point table)."""
TILES_A_ROUTER = 4
"""Tiles that share a router (ISAAC, ISCA 2016, design point table)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A piece of a route, a unit that one message uses at a time. router: a router stands at its end.

    off_chip: it leads out of a chip or into one.
    """

    name: str
    router: bool
    off_chip: bool = False


@dataclass(frozen=True, slots=True)
class Mesh:
    """The mesh of a chip: its tiles, and routers along one side."""

    tiles: int
    side: int

    @staticmethod
    def of(target: Target) -> Mesh:
        """The mesh of a target's chips."""
        routers = math.ceil(target.chip.tiles / TILES_A_ROUTER)
        return Mesh(target.chip.tiles, math.isqrt(routers - 1) + 1)

    def chip(self, tile: int) -> int:
        """The chip that a tile is on."""
        return tile // self.tiles

    def router(self, tile: int) -> tuple[int, int]:
        """The router of a tile: column and row."""
        number = tile % self.tiles // TILES_A_ROUTER
        return number % self.side, number // self.side

    def route(self, source: int, target: int) -> tuple[Link, ...]:
        """The links from a tile to another, in order. A tile's message to itself passes its router."""
        here, there = self.chip(source), self.chip(target)
        start, end = self.router(source), self.router(target)
        links = [Link(f"tile {source} to router {_name(here, start)}", router=True)]
        if here == there:
            links += self._walk(here, start, end)
        else:
            links += self._walk(here, start, (0, 0))
            links += [self.way_out(here), self.way_in(there)]
            links += self._walk(there, (0, 0), end)
        links.append(Link(f"router {_name(there, end)} to tile {target}", router=False))
        return tuple(links)

    def hops(self, source: int, target: int) -> int:
        """Routers that a message from a tile to another passes."""
        return sum(link.router for link in self.route(source, target))

    def way_in(self, chip: int) -> Link:
        """The link into a chip; the chip's router 0 stands at its end."""
        return Link(f"link into chip {chip}", router=True, off_chip=True)

    def way_out(self, chip: int) -> Link:
        """The link out of a chip."""
        return Link(f"link out of chip {chip}", router=False, off_chip=True)

    def _walk(self, chip: int, start: tuple[int, int], end: tuple[int, int]) -> Iterator[Link]:
        """Links between routers, along x first."""
        x, y = start
        while (x, y) != end:
            before = x, y
            if x != end[0]:
                x += 1 if end[0] > x else -1
            else:
                y += 1 if end[1] > y else -1
            yield Link(f"router {_name(chip, before)} to router {_name(chip, (x, y))}", router=True)


def flits(words: int, word_bits: int) -> int:
    """Flits of a message. Assumed: its head travels beside the first of them."""
    return math.ceil(words * word_bits / FLIT_BITS)


def _name(chip: int, router: tuple[int, int]) -> str:
    column, row = router
    return f"{chip}/{column},{row}"
