"""What one product with a matrix in cells gives, stage by stage.

storage (integers to levels of cells) -> device (levels to conductances) -> array (digits of the inputs, see Feed, times
conductances) -> converter (column sums to codes) -> recombination (codes to sums of products). chain.py puts the stages
together; lossless.py says when all of them are one exact product.
"""
