"""The instruction set - one table, and from it text, binary, verifier and documentation."""
