"""The end of a search as one line for a program."""

from pathlib import Path
from typing import Any

import pandas as pd

from search.tune.ending import Ended
from trainable.run.places import winner_file
from trainable.run.winner import Winner, read_winner


def summarize(
    run: Path, trials: pd.DataFrame, why_ended: Ended, exit_status: int
) -> dict[str, Any]:
    """What `--json` prints; the winner is None where no trial completed."""
    states = trials["state"].value_counts()
    winner = read_winner(run) if winner_file(run).is_file() else None
    return {
        "run": str(run),
        "ended_by": why_ended,
        "exit_status": exit_status,
        "trials": {str(state): int(count) for state, count in states.items()},
        "winner": None if winner is None else _of_winner(winner),
    }


def _of_winner(winner: Winner) -> dict[str, Any]:
    [found] = winner.out_of_fold
    return {
        "trials": [member.trial for member in winner.members],
        "expected_f1": winner.corrected.f1,
        "interval": list(winner.corrected.interval),
        "threshold": found["threshold"],
        "out_of_fold": dict(found),
        "test": winner.test and winner.test.model_dump(mode="json"),
    }
