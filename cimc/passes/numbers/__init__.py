"""Number formats, integer weights, shifts: what fixes every number of a result."""
