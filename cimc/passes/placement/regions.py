"""What a task reads: channel ranges of map pieces in each of its roles, and how many rows of them at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from cimc.ir.layers import ONE_PIXEL, Operand
from cimc.ir.mapped import MappedGraph, MappedLayer, Task
from cimc.ir.placed import AccessRegion, Piece

Pieces = Mapping[str, tuple[tuple[int, int], ...]]  # the channel ranges in which each map is made


def regions_of(
    graph: MappedGraph, mapped: MappedLayer, task: Task, pieces: Pieces, copy: int
) -> tuple[AccessRegion, ...]:
    """All regions that a task of one copy of its layer reads, one for each piece and role; rows are those that the copy
    makes."""
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
        of_map: dict[str, AccessRegion] = {}
        for (name, piece), (low, high) in hulls.items():
            if name not in of_map:
                of_map[name] = _region(graph, mapped, role, operand, name, copy)
            found.append(replace(of_map[name], piece=Piece(name, piece), low=low, high=high))
    return tuple(found)


def _region(graph: MappedGraph, mapped: MappedLayer, role: int, operand: Operand, name: str, copy: int) -> AccessRegion:
    """The rows of a whole map that a copy of the layer, which makes some of its rows, reads in a role."""
    kernel, strides, pads, dilations = mapped.layer.window if role == 0 else ONE_PIXEL
    source, out, share = graph.maps[name], graph.maps[mapped.layer.output], mapped.share(copy)
    step, offset = operand.step[0], operand.offset[0]
    span = (kernel[0] - 1) * dilations[0] * step + 1
    advance = strides[0] * step
    first = offset - pads[0] * step + advance * share.row
    same = (source.height, source.width) == (out.height, out.width)
    plain = operand.offset == (0, 0) and operand.step == (1, 1) and mapped.copies == 1
    streaming = kernel == (1, 1) and strides == (1, 1) and not any(pads) and plain and same
    return AccessRegion(role, Piece(name, 0), 0, source.channels, first, advance * share.row_step, span, streaming)
