"""Diagnostics and text utilities that every other room uses."""
