"""Whole jobs - compile, verify - made of the rooms below."""
