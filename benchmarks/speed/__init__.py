"""How fast trials and searches are, beside plain scripts."""
