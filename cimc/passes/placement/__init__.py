"""Tasks onto cores, tiles and chips."""
