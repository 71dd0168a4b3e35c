"""Graph to ScheduledGraph, one idea a pass; pipelines.py lists them in order."""
