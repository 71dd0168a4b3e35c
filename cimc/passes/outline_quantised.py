"""Networks that carry their own quantisation, outlined: the rules of cimc.passes.lower_quantised on views."""

from __future__ import annotations

from dataclasses import replace

from cimc.ir import graph as g
from cimc.passes.lower_quantised import format_of
from cimc.passes.outline_state import Outline
from cimc.passes.outline_views import View, whole


def outline_quantize(made: Outline, node: g.Quantize) -> None:
    """A fixed number format: of the layer before, of an input, or the one the tensor already has."""
    tensor, view = node.inputs[0], made.views[node.inputs[0]]
    quant = format_of(made.graph, node)
    draft = made.open_draft(tensor)
    if draft is not None and view.maps == (draft.map_index,):
        made.absorb(draft, node)
        draft.open = False
        made.set_quant(draft.map_index, node)
        return
    fresh = [made.maps[n] for n in view.maps if made.maps[n].quant is None and made.maps[n].name in made.graph.inputs]
    if len(view.maps) == 1 and fresh and made.reads[fresh[0].name] == 1:
        made.set_quant(view.maps[0], node)
    if all(made.maps[number].quant == quant for number in view.maps):
        made.views[node.output] = view
        return
    if len(view.maps) > 1:
        made.views[node.output] = _in_one_format(made, node, view)
        return
    copy = made.vector(node, "sum", (view,), False)
    copy.open = False
    made.set_quant(copy.map_index, node)


def _in_one_format(made: Outline, node: g.Quantize, view: View) -> View:
    """Joined maps of different formats: each map that has another one is requantised into a copy."""
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
    for number in made.views[name].maps:
        if made.maps[number].quant is None and made.maps[number].name in made.graph.inputs:
            made.set_quant(number, node)
    made.views[node.output] = made.views[name]
