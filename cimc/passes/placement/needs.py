"""What a task reads: channel ranges of map pieces in each of its roles, and how many rows of them at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cimc.ir.layers import ONE_PIXEL, Operand
from cimc.ir.mapped import MappedGraph, MappedLayer, Task

Pieces = Mapping[str, tuple[tuple[int, int], ...]]  # the channel ranges in which each map is made


@dataclass(frozen=True, slots=True)
class Need:
    """Channels low .. high of the piece of a map that starts at channel `piece`, read in a role.

    Row r of the output reads rows first + r * advance .. first + r * advance + span - 1 of the map (advance 0: always
    the same). streaming: exactly pixel (y, x) for pixel (y, x), so that segments can be handed over one by one.
    """

    role: int
    map: str
    piece: int
    low: int
    high: int
    first: int
    advance: int
    span: int
    streaming: bool


def needs_of(graph: MappedGraph, mapped: MappedLayer, task: Task, pieces: Pieces, copy: int) -> list[Need]:
    """All needs of a task of one copy of its layer, one for each piece and role; rows are those that the copy makes."""
    found = []
    for role, operand in enumerate(mapped.layer.reads):
        hulls: dict[tuple[str, int], tuple[int, int]] = {}
        for name, low, high in dict.fromkeys(mapped.reads(task, role)):
            there = pieces[name]
            for piece_low, piece_high in there[max(0, bisect_right(there, (low, high)) - 1) :]:
                if piece_low >= high:
                    break
                first, last = max(low, piece_low), min(high, piece_high)
                if first < last:
                    old = hulls.get((name, piece_low), (first, last))
                    hulls[name, piece_low] = (min(old[0], first), max(old[1], last))
        of_map: dict[str, Need] = {}
        for (name, piece), (low, high) in hulls.items():
            if name not in of_map:
                of_map[name] = _of_copy(_need(graph, mapped, role, operand, name, piece, low, high), copy, mapped)
            n = of_map[name]
            found.append(Need(role, name, piece, low, high, n.first, n.advance, n.span, n.streaming))
    return found


def _of_copy(need: Need, copy: int, mapped: MappedLayer) -> Need:
    """The need of a copy, which makes some of the rows."""
    if mapped.copies == 1:
        return need
    share = mapped.share(copy)
    first, advance = need.first + need.advance * share.row, need.advance * share.row_step
    return replace(need, first=first, advance=advance, streaming=False)


def _need(
    graph: MappedGraph, mapped: MappedLayer, role: int, operand: Operand, name: str, piece: int, low: int, high: int
) -> Need:
    kernel, strides, pads, dilations = mapped.layer.window if role == 0 else ONE_PIXEL
    source, out = graph.maps[name], graph.maps[mapped.layer.output]
    step, offset = operand.step[0], operand.offset[0]
    first = -pads[0] * step + offset
    span = (kernel[0] - 1) * dilations[0] * step + 1
    advance = strides[0] * step
    same = (source.height, source.width) == (out.height, out.width)
    plain = operand.offset == (0, 0) and operand.step == (1, 1)
    streaming = kernel == (1, 1) and strides == (1, 1) and not any(pads) and plain and same
    return Need(role, name, piece, low, high, first, advance, span, streaming)
