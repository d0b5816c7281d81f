"""Find the best trial: Optuna proposes, Ray Tune runs, and a run folder keeps all of it.

From Python: `run_search` runs a search, `read_run` reads one, both give a `SearchResult`.
"""

from typing import TYPE_CHECKING, Any

from search.environment import set_defaults

if TYPE_CHECKING:
    from search.api import SearchResult, read_run, run_search

__all__ = ["SearchResult", "read_run", "run_search"]

set_defaults()


def __getattr__(name: str) -> Any:
    """Import what Python users want once they ask for it: a command must not wait for it."""
    if name in __all__:
        from search import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
