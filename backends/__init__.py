"""Floor 5: ScheduledGraph to Program."""
