"""The options of a search, declared once for command line, Python and run folder."""
