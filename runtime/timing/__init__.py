"""Timing of a program over a stream of inputs, without data."""
