"""What a search reports of trials that did not complete."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from search.run.trial_log import ENDED


def describe_failures(trials: pd.DataFrame, errors: Path) -> Iterator[str]:
    """How many trials failed by themselves, and how many the machine failed, a line each.

    Args:
        trials: All rows of the log of trials.
        errors: Where a person finds the errors.
    """
    num_failed = int((trials["state"] == "failed").sum())
    lost = trials.loc[trials["state"] == "lost", "error"]
    if num_failed:
        num_ended = int(trials["state"].isin(ENDED).sum())
        yield f"{num_failed} of {num_ended} trials failed; their errors are in {errors}"
    if len(lost):
        were, do = ("trial was", "It does") if len(lost) == 1 else ("trials were", "They do")
        yield (
            f"{len(lost)} {were} lost to errors of the machine. {do} not count, and will run "
            f"again. The last error: {lost.iloc[-1]}"
        )
    if mostly_failed(trials):
        num_complete = int((trials["state"] == "complete").sum())
        yield (
            f"most trials did not work; {num_complete} {'is' if num_complete == 1 else 'are'} "
            "complete. Look at the errors before you rely on a winner"
        )


def mostly_failed(trials: pd.DataFrame) -> bool:
    """Whether more trials failed, or were lost, than worked."""
    worked = trials["state"].isin(["complete", "stopped"]).sum()
    return bool(trials["state"].isin(["failed", "lost"]).sum() > worked)
