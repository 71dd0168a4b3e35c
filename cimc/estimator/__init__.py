"""Crossbars, copies, time and energy of a network from its shapes, by the compiler and the timing engine themselves."""
