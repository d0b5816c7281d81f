"""Use the winner of a run folder: retrain it on every labelled image and write predictions.

From Python: `load_model` reads a team, which scores images.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.api import Team, load_model

__all__ = ["Team", "load_model"]


def __getattr__(name: str) -> Any:
    """Import what Python users want once they ask for it: a command must not wait for it."""
    if name in __all__:
        from analysis import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
