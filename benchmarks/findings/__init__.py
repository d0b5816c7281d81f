"""How well several findings are found, and how far what is reported of each holds."""
