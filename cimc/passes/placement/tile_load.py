"""What placement moves about: tasks with what they read, and tiles with what they hold so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.ir.mapped import MappedLayer, Share, Task
from cimc.ir.placed import AccessRegion, CopyPiece, PartialSum, Piece, PlacedRing, RingKey, TaskAt


@dataclass(frozen=True, slots=True)
class TaskCopy:
    """A task of a copy of its layer, what it reads, and the partners' sums that it adds. roomy: rings hold the rows of
    the next window beside those of this one."""

    layer: int
    task: int
    copy: int
    mapped: MappedLayer
    body: Task
    regions: tuple[AccessRegion, ...]
    sums: tuple[PartialSum, ...]
    roomy: bool = True

    @property
    def at(self) -> TaskAt:
        """Which task it is."""
        return self.layer, self.task, self.copy

    @property
    def piece(self) -> Piece:
        """The piece of the layer's map that it works for."""
        return Piece(self.mapped.layer.output, self.body.low)

    @property
    def shares_piece(self) -> bool:
        """Whether it makes a part of a piece, and other copies the rest of it."""
        return self.mapped.copies > 1 and not self.body.is_partial

    def out(self, tile: TileLoad) -> RingKey:
        """What its ring on a tile holds.

        Partial sums have rings of their own, and so has a copy away from the tile where its piece is gathered.
        """
        if self.body.is_partial:
            return PartialSum(self.layer, self.task, self.copy)
        if self.mapped.copies == 1 or self.piece in tile.gathers:
            return self.piece
        return CopyPiece(self.layer, self.task, self.copy)

    def reads(self) -> list[RingKey]:
        """What the rings hold that it reads: pieces of maps, and its partners' sums."""
        return [*(region.piece for region in self.regions), *self.sums]

    @property
    def share(self) -> Share:
        """What its copy makes of the map."""
        return self.mapped.share(self.copy)


@dataclass(slots=True)
class TileLoad:
    """What a tile holds so far. gathers: pieces that copies make together and that are gathered here, with copy 0 of
    their task. relays: rings that it keeps for others, which only pass through."""

    number: int
    works: list[TaskCopy] = field(default_factory=list)
    gathers: dict[Piece, TaskCopy] = field(default_factory=dict)
    relays: dict[Piece, PlacedRing] = field(default_factory=dict)

    def with_more(self, works: list[TaskCopy], gathers: Mapping[Piece, TaskCopy]) -> TileLoad:
        """The tile as it would be with more tasks and gathered pieces."""
        return TileLoad(self.number, [*self.works, *works], {**self.gathers, **gathers}, self.relays)


def core_numbers(works: list[TaskCopy]) -> list[int]:
    """The core of each task of a tile: tasks that share one have the same."""
    numbers: dict[tuple[int, int], int] = {}
    found = []
    for position, work in enumerate(works):
        key = (0, work.body.shares) if work.body.shares >= 0 else (1, position)
        found.append(numbers.setdefault(key, len(numbers)))
    return found
