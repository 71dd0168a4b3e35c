"""What one product with a matrix in cells gives, stage by stage.

storage (integers to levels of cells) -> device (levels to conductances) -> feed (digits of the inputs, which they
multiply) -> converter (column sums to codes) -> recombination (codes to sums of products). chain.py puts the stages
together; lossless.py says when all of them are one exact product.
"""
