"""Floor 6: whole jobs - compile, verify - made of the rooms below."""
