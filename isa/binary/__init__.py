"""A program as bytes."""
