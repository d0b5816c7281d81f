"""A finished run, read again."""
