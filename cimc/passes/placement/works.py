"""What placement moves about: tasks with what they read, tiles with what they hold, and the names of rings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cimc.ir.mapped import MappedLayer, Share, Task
from cimc.passes.placement.needs import Need

Who = tuple[int, int, int]  # a task of a copy: (layer, task, copy)


class Key(NamedTuple):
    """What a ring holds: a piece of a map, by the map's name and its first channel; or with `copy` only what that copy
    makes of it; or with `task` too the partial sums of that task of the copy."""

    map: str
    low: int
    copy: int = -1
    task: int = -1

    @property
    def is_whole(self) -> bool:
        """Whether it is the piece itself."""
        return self.copy < 0

    @property
    def suffix(self) -> str:
        """What a ring's name ends in that only one task needs."""
        if self.is_whole:
            return ""
        return f".copy{self.copy}" if self.task < 0 else f".p{self.task}.p{self.copy}"


@dataclass(frozen=True, slots=True)
class Work:
    """A task of a copy of its layer, and what it reads. roomy: rings hold the rows of the next window beside those of
    this one."""

    layer: int
    task: int
    mapped: MappedLayer
    body: Task
    needs: tuple[Need, ...]
    roomy: bool
    copy: int

    @property
    def who(self) -> Who:
        """Which task it is."""
        return self.layer, self.task, self.copy

    @property
    def piece(self) -> Key:
        """The piece of the layer's map that it works for."""
        return Key(self.mapped.layer.output, self.body.low)

    @property
    def shares_piece(self) -> bool:
        """Whether it makes a part of a piece, and other copies the rest of it."""
        return self.mapped.copies > 1 and not self.body.is_partial

    def makes(self, tile: TileLoad) -> Key:
        """The key of its out ring on a tile.

        Partial sums have rings of their own, and so has a copy away from the tile where its piece is assembled.
        """
        if self.body.is_partial:
            return partial_key(self.mapped, self.task, self.copy)
        if self.mapped.copies == 1 or self.piece in tile.homes:
            return self.piece
        return self.piece._replace(copy=self.copy)

    def reads(self) -> list[Key]:
        """The keys of the rings that it reads: pieces of maps, and its partners' sums."""
        partners = (partial_key(self.mapped, partner, self.copy) for partner in self.body.partials)
        return [*(Key(need.map, need.piece) for need in self.needs), *partners]

    @property
    def share(self) -> Share:
        """What its copy makes of the map."""
        return self.mapped.share(self.copy)


def partial_key(mapped: MappedLayer, index: int, copy: int) -> Key:
    """The key of a task's partial sums."""
    return Key(mapped.layer.output, mapped.tasks[index].low, copy, index)


@dataclass(frozen=True, slots=True)
class RingSize:
    """Extent of one ring of a tile: channels low .. high, segments left .. right of the `whole` of a row, pixels.
    remote: another tile fills it."""

    low: int
    high: int
    pixels: int
    remote: bool
    left: int = 0
    right: int = 1
    whole: int = 1

    @property
    def words(self) -> int:
        """Memory words."""
        return (self.high - self.low) * self.pixels

    def of_row(self, pixels: int) -> int:
        """Its part of so many pixels of whole rows."""
        return pixels * (self.right - self.left) // self.whole


@dataclass(slots=True)
class TileLoad:
    """What a tile holds so far. homes: pieces that copies make together and that are assembled here, with copy 0 of
    their task. relays: rings that it keeps for others, which only pass through."""

    number: int
    works: list[Work] = field(default_factory=list)
    homes: dict[Key, Work] = field(default_factory=dict)
    relays: dict[Key, RingSize] = field(default_factory=dict)

    def with_more(self, works: list[Work], homes: Mapping[Key, Work]) -> TileLoad:
        """The tile as it would be with more tasks and homes."""
        return TileLoad(self.number, [*self.works, *works], {**self.homes, **homes}, self.relays)


def core_numbers(works: list[Work]) -> list[int]:
    """The core of each task of a tile: tasks that share one have the same."""
    numbers: dict[tuple[int, int], int] = {}
    found = []
    for position, work in enumerate(works):
        key = (0, work.body.shares) if work.body.shares >= 0 else (1, position)
        found.append(numbers.setdefault(key, len(numbers)))
    return found
