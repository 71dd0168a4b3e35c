"""The end of the walk: outputs under their own names, dead nodes dropped, NaN and infinity in weights refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.frontends.graph_builder import GraphBuilder
from cimc.ir.graph import Graph


def finished(
    build: GraphBuilder,
    values: Mapping[str, str],
    name: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    place: Place,
) -> Graph:
    """The Graph of the nodes built; `values` maps ONNX names to Graph tensors."""
    wrong = []
    for output in outputs:
        where = Place(file=place.file, item=f'output "{output}"')
        if output not in values:
            wrong.append(Diagnostic("onnx.invalid", f'nothing makes the output "{output}"', where))
        elif build.is_known(values[output]):
            what = f'the output "{output}" is a constant: it does not depend on any input'
            wrong.append(Diagnostic("onnx.unsupported", what, where, "remove it from the network's outputs"))
    if len(set(outputs)) != len(outputs) or not outputs:
        wrong.append(
            Diagnostic("onnx.invalid", f"the outputs are {list(outputs)}", place, "name each once, at least one")
        )
    if wrong:
        raise CimcError(wrong)
    for output in outputs:
        _name_output(build, values[output], output, inputs, outputs)
    graph = build.finish(name, inputs, outputs)
    _refuse_nan(graph, place)
    return graph


def _name_output(
    build: GraphBuilder, source: str, output: str, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> None:
    """Makes `source` known as `output`: by renaming it, or by a Reshape where its own name is needed too."""
    if source == output:
        return
    if source in inputs or source in outputs:
        build.reshape(source, build.shape(source), output, output)
        return
    for index, node in enumerate(build.nodes):
        if source in (*node.outputs, *node.inputs):
            reads, made = (tuple(output if name == source else name for name in names)
                           for names in (node.inputs, node.outputs))  # fmt: skip
            build.nodes[index] = replace(node, inputs=reads, outputs=made)
    build.tensors[output] = replace(build.tensors.pop(source), name=output)


def _refuse_nan(graph: Graph, place: Place) -> None:
    wrong = []
    for name, array in graph.constants.items():
        if array.size > 1 and not any(array.strides):  # one number, as often as the shape says
            array = array.reshape(-1)[:1]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))
            first = tuple(int(index) for index in bad[0])
            what = (
                f'the tensor "{name}" holds NaN or infinity: {len(bad)} of {array.size} elements, the first at {first}'
            )
            where = Place(file=place.file, item=f'tensor "{name}"')
            wrong.append(Diagnostic("onnx.nan", what, where, "train or export the network again"))
    if wrong:
        raise CimcError(wrong)
