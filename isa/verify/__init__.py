"""Everything about a program that can be proved before a run."""
