"""Assembly text: its grammar, two parsers that agree, the printer."""
