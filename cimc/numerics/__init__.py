"""Floor 2: every rounding, saturation, table and cell encoding, each written once."""
