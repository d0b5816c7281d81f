"""Why a team has no guard."""

from collections.abc import Sequence
from pathlib import Path

from analysis.export.folder import is_export
from analysis.model_file import FinalModel, guards_of
from trainable.files import as_typed


def why_unguarded(models: Sequence[FinalModel], run: Path) -> str:
    """Why the models of a run folder, or an exported one, have no guard; "" where one has."""
    if guards_of(models):
        return ""
    if known := [model.unguarded for model in models if model.unguarded]:
        return known[0]
    advice = "export the team again"
    if not is_export(run):
        advice = f"remove {as_typed(run / 'models')}, and the next prediction trains them again"
    return f"the models are of an earlier version of cxr; to have it, {advice}"
