"""One HTML page of a finished search."""
