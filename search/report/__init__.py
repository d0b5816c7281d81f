"""Everything that makes words or pictures of a search."""
