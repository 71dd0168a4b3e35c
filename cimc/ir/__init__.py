"""Floor 3: the stages a network passes through - Graph, MappedGraph, ScheduledGraph - each immutable."""
