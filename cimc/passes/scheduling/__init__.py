"""Rings, transfers and synchronisation, and how deep rings must be."""
