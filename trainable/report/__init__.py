"""The page that a search and an evaluation write: figures, tables and words in one file."""
