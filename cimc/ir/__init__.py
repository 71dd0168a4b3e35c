"""The stages a network passes through - Graph, MappedGraph, ScheduledGraph - each immutable."""
