"""The verifier of any stage."""

from __future__ import annotations

from cimc.ir.graph import Graph
from cimc.ir.layers import LayerGraph
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import PlacedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.ir.verify_graph import verify_graph
from cimc.ir.verify_layers import verify_layers
from cimc.ir.verify_mapped import verify_mapped
from cimc.ir.verify_placed import verify_placed
from cimc.ir.verify_scheduled import verify_scheduled


def verify_stage(stage: Graph | LayerGraph | MappedGraph | PlacedGraph | ScheduledGraph) -> None:
    """What passes may rely on, of a stage of any kind. A breach is a fault of ours, so it is an assertion."""
    if isinstance(stage, Graph):
        verify_graph(stage)
    elif isinstance(stage, LayerGraph):
        verify_layers(stage)
    elif isinstance(stage, MappedGraph):
        verify_mapped(stage)
    elif isinstance(stage, PlacedGraph):
        verify_mapped(stage.mapped)
        verify_placed(stage)
    else:
        assert isinstance(stage, ScheduledGraph), f"{type(stage).__name__} is no stage"
        verify_mapped(stage.mapped)
        verify_scheduled(stage)
