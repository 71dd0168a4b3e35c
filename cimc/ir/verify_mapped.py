"""The MappedGraph verifier: formats, and tasks and blocks that cover every layer exactly once.

A breach is a fault of ours, so it is an assertion. Tasks are looked at once layers have them (split_matrices).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from cimc.ir.layers import FeatureMap, LayerGraph
from cimc.ir.mapped import Block, MappedGraph, MappedLayer, is_cut
from cimc.ir.verify_layers import verify_layers


def verify_mapped(graph: MappedGraph) -> None:
    """A LayerGraph with a format for every map, numbers for every channel, and work that covers each layer once."""
    layers = tuple(mapped.layer for mapped in graph.layers)
    verify_layers(LayerGraph(graph.name, layers, graph.maps, graph.inputs, graph.outputs))
    missing = sorted(set(graph.maps) - set(graph.quants))
    assert not missing, f"maps without a format: {missing}"
    has_tasks = any(mapped.tasks for mapped in graph.layers)
    for mapped in graph.layers:
        label, out = f'"{mapped.layer.name}"', graph.maps[mapped.layer.output]
        _verify_numbers(label, mapped, out)
        _verify_copies(label, mapped, out)
        if has_tasks:
            _verify_tasks(label, mapped, out)
    _verify_corners(graph)
    for name, m in graph.maps.items() if graph.segments else ():
        segments = graph.segments.get(name, 0)
        assert segments > 0 and m.width % segments == 0, f'"{name}": {segments} segments of {m.width} pixels'


def _verify_numbers(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    for epilogue in mapped.epilogues:
        assert epilogue.low <= epilogue.high, f"{label}: clamp {epilogue.low}, {epilogue.high}"
        for factors in (epilogue.m, epilogue.n):
            shape = (out.channels,) if factors is None else factors.shape
            assert shape in ((out.channels,), (1,)), f"{label}: {shape} multipliers for {out.channels} channels"
    mapped.check(label, out.channels)


def _verify_copies(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    """Every copy makes some pixels; pixels next to each other come from one block."""
    copies, across, replicas = mapped.copies, mapped.across, mapped.replicas
    assert min(copies, across, replicas) > 0 and copies % across == 0, f"{label}: {copies} copies, {across} across"
    grid = (copies // across, across)
    assert grid[0] <= out.height and across <= out.width, f"{label}: {grid} copies of {out.height} x {out.width} pixels"
    if replicas > 1:
        blocks = sum(len(task.blocks) for task in mapped.tasks)
        assert blocks == 1 and out.width % replicas == 0, (
            f"{label}: {blocks} blocks, {replicas} replicas, {out.width} wide"
        )


def _verify_tasks(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    tasks = mapped.tasks
    whole = [(task.low, task.high) for task in tasks if not task.is_partial]
    assert is_cut(whole, (0, out.channels)), f"{label}: tasks make {whole} of {out.channels} channels"
    added = sorted(partner for task in tasks for partner in task.partials)
    partial = [index for index, task in enumerate(tasks) if task.is_partial]
    assert added == partial, f"{label}: partial sums of tasks {partial}, and {added} are added"
    mapped.check_tasks(label)


def _verify_corners(graph: MappedGraph) -> None:
    """Blocks on one core lie beside each other, within its MVMUs' rows."""
    most = graph.arithmetic.crossbar.rows
    there = defaultdict[tuple[int, int], list[tuple[int, int, Block]]](list)
    for mapped in graph.layers:
        for task in mapped.tasks:
            assert task.shares >= 0 or not task.corners, f'"{mapped.layer.name}": corners on a core of its own'
            for index, block in enumerate(task.blocks):
                mvmu, row, column = task.corner(index)
                last = row + block.rows * mapped.replicas
                assert row >= 0 and last <= most and min(mvmu, column) >= 0, (
                    f'"{mapped.layer.name}": a block at {(mvmu, row, column)} ends at row {last} of {most}'
                )
                if task.shares >= 0:
                    there[task.shares, mvmu].append((row, column, block))
    for (shares, mvmu), laid in there.items():
        rows = sorted((row, row + block.rows) for row, _, block in laid)
        columns = sorted((column, column + block.high - block.low) for _, column, block in laid)
        for name, ends in (("rows", rows), ("columns", columns)):
            apart = all(high <= low for (_, high), (low, _) in pairwise(ends))
            assert apart, f"core {shares} MVMU {mvmu}: blocks overlap in their {name}: {ends}"
