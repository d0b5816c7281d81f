"""A search space: sampled as Optuna runs (`Space`), or listed row by row (`Grid`)."""

from search.space.grid import Grid
from search.space.space import Space

SearchSpace = Space | Grid
"""The configurations that a search chooses from."""
