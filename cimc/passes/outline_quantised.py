"""Networks that carry their own quantisation, outlined: the rules of cimc.passes.lower_quantised on views."""

from __future__ import annotations

from dataclasses import replace

from cimc.ir import graph as g
from cimc.passes.lower_quantised import format_of
from cimc.passes.outline_state import Outline
from cimc.passes.outline_views import View, whole


def outline_quantize(made: Outline, node: g.Quantize) -> None:
    """A fixed number format: of the layer before, or the one the tensor already has, or of a copy."""
    tensor, view = node.inputs[0], made.views[node.inputs[0]]
    quant = format_of(made.graph, node)
    draft = made.open_draft(tensor)
    if draft is not None and view.maps == (draft.map_index,):
        made.absorb(draft, node)
        draft.open = False
        made.set_quant(draft.map_index, node)
        return
    if all(made.maps[number].quant == quant for number in view.maps):
        made.views[node.output] = view
        return
    if len(view.maps) > 1:
        made.views[node.output] = _in_one_format(made, node, view)
        return
    copy = made.vector(node, "sum", (view,), False)
    copy.open = False
    made.set_quant(copy.map_index, node)


def _in_one_format(made: Outline, node: g.Quantize | g.Dequantize, view: View) -> View:
    """A view of maps of one format: each map that has another one is copied into it."""
    quant, moved = format_of(made.graph, node), {}
    for k, number in enumerate(view.maps):
        m = made.maps[number]
        if m.quant == quant:
            continue
        source = whole(number, m.height, m.width, m.channels, ("", "c", "h", "w"))
        copy = made.vector(replace(node, output=f"{node.output}.{k}"), "sum", (source,), False)
        copy.open = False
        made.set_quant(copy.map_index, node)
        moved[number] = copy.map_index
    return replace(view, runs=tuple((moved.get(number, number), channel, n) for number, channel, n in view.runs))


def outline_dequantize(made: Outline, node: g.Dequantize) -> None:
    """Constants are remembered; an activation stays what it is."""
    name = node.inputs[0]
    if name in made.graph.constants:
        made.dequantised.add(node.output)
        return
    made.views[node.output] = _in_one_format(made, node, made.views[name])
