"""Assembly text: its grammar, reader and printer."""
