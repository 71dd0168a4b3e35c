"""The kinds of layers, each defined in one file (a matrix in a folder): what it is and reads, its integers, what it
computes, and its code.

A kind is two classes, of `Layer` and of `MappedLayer`, and three functions: `quantise_layer` makes the one of the
other, `evaluate_layer` is the reference, `write_code` its stream. What a kind does not say is as the base classes have
it. Lowering (cimc.passes.lower) makes layers; nothing else need know what kinds there are.
"""
