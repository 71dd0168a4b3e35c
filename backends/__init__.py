"""ScheduledGraph to Program."""
