"""Kinds of operands, one class each: it prints, reads, encodes, decodes, checks, prices and documents an operand."""
