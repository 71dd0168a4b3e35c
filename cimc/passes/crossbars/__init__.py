"""Matrices on crossbars: cuts, shared MVMUs, copies."""
