"""Floor 1: diagnostics and text utilities that every other room uses."""
