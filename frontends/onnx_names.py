"""Names in a model: onnx's own domain written in one way, and lists that hold a name twice or none at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

from cimc.base.diagnostics import Diagnostic, Place

LONG_DOMAIN = "ai.onnx"
"""Another way to write onnx's own domain, ""."""


def with_plain_domains(model: ModelProto) -> ModelProto:
    """The model with onnx's own domain written "" everywhere; a copy, where it is written in the long way."""
    if LONG_DOMAIN not in {holder.domain for holder in _domain_holders(model)}:
        return model
    plain = ModelProto()
    plain.CopyFrom(model)
    for holder in _domain_holders(plain):
        if holder.domain == LONG_DOMAIN:
            holder.domain = ""
    return plain


def wrong_names(model: ModelProto, place: Place) -> list[Diagnostic]:
    """Inputs, outputs and initialisers that are listed twice or have no name."""
    graph = model.graph
    initialisers = [tensor.name for tensor in graph.initializer]
    initialisers += [sparse.values.name for sparse in graph.sparse_initializer]
    wrong: list[Diagnostic] = []
    for kind, names in (
        ("input", [info.name for info in graph.input]),
        ("output", [info.name for info in graph.output]),
        ("initialiser", initialisers),
    ):
        wrong += _wrong_list(kind, names, place)
    return wrong


def _wrong_list(kind: str, names: Iterable[str], place: Place) -> Iterator[Diagnostic]:
    for name, count in Counter(names).items():
        where = Place(file=place.file, item=f'{kind} "{name}"')
        if not name:
            yield Diagnostic("onnx.invalid", f"an {kind} has no name", Place(file=place.file), "name every one")
        elif count > 1:
            yield Diagnostic("onnx.invalid", f'the {kind} "{name}" is listed {count} times', where, "list it once")


def _domain_holders(model: ModelProto) -> Iterator[NodeProto | FunctionProto]:
    """Everything in a model that has a domain: opset imports, functions, nodes."""
    yield from model.opset_import
    for function in model.functions:
        yield function
        yield from function.opset_import
        yield from _nodes(function)
    yield from _nodes(model.graph)


def _nodes(graph: GraphProto | FunctionProto) -> Iterator[NodeProto]:
    """Every node, those of subgraphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for subgraph in (attribute.g, *attribute.graphs):
                yield from _nodes(subgraph)
