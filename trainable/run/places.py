"""Where files lie in a run folder; search writes them and analysis reads them."""

from pathlib import Path


def winner_file(run: Path) -> Path:
    """The winner of a run (see `trainable/run/winner.py`)."""
    return run / "winner.json"


def scores_file(run: Path, trial: int) -> Path:
    """Out-of-fold scores of a trial: float32 (num_exams,), NaN where never scored."""
    return run / "scores" / f"{trial:05d}.npy"


def model_folder(run: Path, trial: int, content: str) -> Path:
    """A retrained trial; `content` is the digest of all that the model depends on."""
    return run / "models" / f"{trial_name(trial)}-{content}"


def trial_name(trial: int) -> str:
    """The name of a trial's folders."""
    return f"trial_{trial:05d}"
