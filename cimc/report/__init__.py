"""The mapping report - what of a network went where, as data, as JSON and as tables in the terminal."""
