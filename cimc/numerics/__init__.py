"""Every rounding, saturation, table and random key, each written once."""
