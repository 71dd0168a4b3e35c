"""ONNX to Graph: one walk over the nodes, in order, that folds constants, knows every shape and collects every error.

A rejected node does not end the walk. Where onnx's own shape inference knows its results, they stand in as unknown
activations of that shape, so that everything behind it is checked too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx.checker
import onnx.defs
from onnx import AttributeProto, ModelProto, NodeProto

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.graph_builder import INVALID, GraphBuilder, Unsupported
from cimc.frontends.onnx_file import ModelLike, array_of, dense_of, opset_of, place_of, read_model
from cimc.frontends.onnx_fold import FOLDABLE, constant_value, folded, shape_value, stand_ins
from cimc.frontends.onnx_inputs import graph_inputs, wrong_names
from cimc.frontends.onnx_node import OnnxNode
from cimc.frontends.onnx_ops import OPERATORS, translation_of
from cimc.ir.graph import Array, Graph
from cimc.ir.verify_graph import verify_graph
from cimc.numerics.integers import NARROW


def load_onnx(
    source: ModelLike,
    bind: Mapping[str, int] | None = None,
    stand_ins: Mapping[str, Array] = MappingProxyType({}),
) -> Graph:
    """The static, typed Graph of an ONNX file or model; one CimcError with everything that is wrong.

    The batch (axis 0 of every input, where it is symbolic) is bound to 1; `bind` fixes other symbolic dimensions.
    stand_ins: constants, by tensor, that are taken for what the file says of them, or does not say.
    """
    place, model = place_of(source), read_model(source)
    inputs, wrong = graph_inputs(model, bind or {}, place)
    wrong += wrong_names(model, place)
    if wrong:
        raise CimcError([*wrong, *_unknown_operators(model, place)])
    inputs = [tensor for tensor in inputs if tensor.name not in stand_ins]
    walk = _Walk(model, place, stand_ins)
    for tensor in inputs:
        walk.build.input(tensor)
        walk.values[tensor.name] = tensor.name
    walk.read_initialisers()
    for index, node in enumerate(model.graph.node):
        walk.visit(index, node)
    name = model.graph.name or Path(place.file).stem
    outputs = tuple(info.name for info in model.graph.output)
    if not walk.wrong:
        graph = _finished(walk.build, walk.values, name, tuple(tensor.name for tensor in inputs), outputs, place)
        verify_graph(graph)
        return graph
    raise CimcError(walk.wrong)


class _Walk:
    """The state of the walk over the nodes."""

    def __init__(self, model: ModelProto, place: Place, stand_ins: Mapping[str, Array]) -> None:
        graph = model.graph
        names = [info.name for info in (*graph.input, *graph.output)] + [tensor.name for tensor in graph.initializer]
        names += [sparse.values.name for sparse in graph.sparse_initializer]
        names += [name for node in graph.node for name in (*node.input, *node.output)]
        self.model, self.place, self.stand_ins = model, place, stand_ins
        self.build = GraphBuilder(names)
        self.values: dict[str, str] = {}
        self.unknown: set[str] = set()
        self.wrong: list[Diagnostic] = []
        self.opset = opset_of(model)
        read = [name for node in graph.node for name in node.input]
        self.used = frozenset((*read, *(info.name for info in graph.output)))

    def read_initialisers(self) -> None:
        """Every initialiser that something reads, as a constant; damaged ones are reported."""
        graph = self.model.graph
        made = {name for node in graph.node for name in node.output}
        held: dict[str, Callable[[], Array]] = {}
        held |= {tensor.name: partial(array_of, tensor, tensor.name) for tensor in graph.initializer}
        held |= {sparse.values.name: partial(dense_of, sparse) for sparse in graph.sparse_initializer}
        held |= {name: partial(np.asarray, array) for name, array in self.stand_ins.items() if name not in made}
        for name in (name for name in held if name in self.used):
            try:
                self.values[name] = self.build.constant(name, held[name]())
            except CimcError as error:
                self.wrong += error.diagnostics
                self.unknown.add(name)
            except Unsupported as refusal:
                where = self._where(f'tensor "{name}"')
                self.wrong.append(Diagnostic(refusal.code, refusal.reason, where, refusal.todo))
                self.unknown.add(name)

    def visit(self, index: int, proto: NodeProto) -> None:
        """Translates one node, or notes why not."""
        origin = proto.name or f"{proto.op_type}_{index}"
        try:
            self._visit(origin, proto)
        except Unsupported as refusal:
            self._refuse(origin, proto, refusal)
        except CimcError as error:
            self.wrong += error.diagnostics
            self.unknown.update(proto.output)

    def _visit(self, origin: str, proto: NodeProto) -> None:
        undefined = [name for name in proto.input if name and name not in self.values and name not in self.unknown]
        if undefined:
            raise Unsupported(
                f'it reads "{", ".join(undefined)}", which nothing before it makes', "onnx.invalid", INVALID
            )
        if not any(proto.output):
            raise Unsupported("it has no result", "onnx.invalid", INVALID)
        for index, name in enumerate(proto.output):
            if name and (name in self.values or name in self.unknown or name in proto.output[:index]):
                raise Unsupported(f'it makes "{name}", which is made already', "onnx.invalid", INVALID)
        self._check(proto)
        translate = translation_of(proto.domain, proto.op_type)
        if any(name in self.unknown for name in proto.input):
            self.unknown.update(proto.output)
            if translate is None and proto.op_type not in FOLDABLE | {"Constant", "Shape", "Size"}:
                raise Unsupported(*_unknown(proto))
            return
        if self._constant(proto):
            return
        if translate is None:
            raise Unsupported(*_unknown(proto))
        node = OnnxNode(proto, origin, opset_of(self.model, proto.domain), self.build, self.values, self.used)
        translate(node)
        for name in proto.output:
            assert not name or name in self.values or name not in self.used, f"{origin}: {name} was not made"

    def _constant(self, proto: NodeProto) -> bool:
        """Computes a node that needs no run time; whether it was one."""
        if proto.domain:
            return False
        if all(not name or name in self.stand_ins for name in proto.output):
            results = [self.stand_ins[name] for name in proto.output if name]
        elif proto.op_type == "Constant":
            results = [constant_value(proto)]
        elif proto.op_type in ("Shape", "Size") and proto.input:
            results = [shape_value(proto, self.build.shape(self.values[proto.input[0]]))]
        elif proto.op_type in FOLDABLE and all(
            not name or self.values[name] in self.build.constants for name in proto.input
        ):
            operands = [self._typed(self.values[name]) if name else None for name in proto.input]
            results = folded(proto, operands, self.model)
        else:
            return False
        names = [name for name in proto.output if name]
        for name, value in zip(names, results, strict=True):
            self.values[name] = self.build.constant(name, value)
        return True

    def _typed(self, name: str) -> Array:
        """A constant in its own type, also where that is narrower than a byte."""
        dtype = self.build.tensors[name].dtype
        return self.build.constants[name].astype(dtype) if dtype in NARROW else self.build.constants[name]

    def _check(self, proto: NodeProto) -> None:
        """Attributes and counts of operands against the operator's schema."""
        if proto.domain:
            return
        if not onnx.defs.has(proto.op_type, self.opset, ""):
            raise Unsupported(*_unknown(proto))
        if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in proto.attribute):
            return  # the checker would miss the names of the outer scope
        context = onnx.checker.C.CheckerContext()
        context.ir_version = max(self.model.ir_version, 4)
        context.opset_imports = {entry.domain: entry.version for entry in self.model.opset_import}
        try:
            foreign(onnx.checker.check_node, proto, context)
        except ForeignError as error:
            raise Unsupported(str(error), "onnx.invalid", INVALID) from None

    def _refuse(self, origin: str, proto: NodeProto, refusal: Unsupported) -> None:
        """Notes a rejected node, and puts stand-ins for its results where their shapes are known."""
        operator = f"{proto.domain}::{proto.op_type}" if proto.domain else proto.op_type
        what = f'{operator} node "{origin}": {refusal.reason}'
        self.wrong.append(Diagnostic(refusal.code, what, self._where(f'node "{origin}"'), refusal.todo))
        found = stand_ins(proto, self.model, self.values, self.build)
        for name in proto.output:
            if not name or name in self.values:
                continue
            if name in found:
                self.build.input(found[name])
                self.values[name] = name
            else:
                self.unknown.add(name)

    def _where(self, item: str) -> Place:
        return Place(file=self.place.file, item=item)


def _unknown(proto: NodeProto) -> tuple[str, str, str]:
    """Reason, code and help for an operator that has no translation."""
    known = OPERATORS.get(proto.domain, {})
    if not proto.domain and not onnx.defs.has(proto.op_type, ""):
        return "ONNX has no such operator", "onnx.unsupported", did_you_mean(proto.op_type, known)
    todo = "replace it by supported operators, or export the network without it"
    return "the operator is not supported", "onnx.unsupported", todo


def _unknown_operators(model: ModelProto, place: Place) -> list[Diagnostic]:
    """The operators without a translation, where the inputs' shapes do not allow to look closer."""
    wrong = []
    for index, proto in enumerate(model.graph.node):
        constant = proto.op_type in FOLDABLE | {"Constant", "Shape", "Size"} and not proto.domain
        if not constant and translation_of(proto.domain, proto.op_type) is None:
            reason, code, todo = _unknown(proto)
            origin = proto.name or f"{proto.op_type}_{index}"
            what = f'{proto.op_type} node "{origin}": {reason}'
            wrong.append(Diagnostic(code, what, Place(file=place.file, item=f'node "{origin}"'), todo))
    return wrong


def _finished(
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
