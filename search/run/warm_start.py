"""What a search takes over from an earlier one, kept to be resumed and corrected for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from trainable.config import TrialConfig
from trainable.errors import InputError, explain
from trainable.files import replacing, write_text

WARM_START, WARM_SCORES = "warm_start.json", "warm_start.npy"


class EarlierTrial(BaseModel):
    """A complete trial of the earlier search: its number and its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    config: TrialConfig


class EarlierSearch(BaseModel):
    """The earlier search.

    Attributes:
        run: Its run folder.
        trials: Its complete trials, the best one first.
        num_queued: How many of them are tried again, from the best one.
        num_shared: Images of both searches that neither keeps for a test.
        has_history: Whether its own trials were chosen by trials that are not among these: some
            were stopped early, or came from an earlier search still.
        seen: SHA-256 of each image that had a part in it, or in the searches before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    trials: tuple[EarlierTrial, ...]
    num_queued: int
    num_shared: int
    has_history: bool
    seen: tuple[str, ...]

    @property
    def queued(self) -> tuple[EarlierTrial, ...]:
        """The trials that are tried again."""
        return self.trials[: self.num_queued]


@dataclass(frozen=True)
class WarmStart:
    """The earlier search, and what its trials had scored.

    Attributes:
        search: The earlier search.
        scores: Out-of-fold scores (num_trials, num_exams, num_findings) of its trials for the
            examinations of the new search, NaN where never scored; None if some are missing that
            the new search scores.
    """

    search: EarlierSearch
    scores: NDArray[np.float32] | None

    def save(self, run: Path) -> None:
        """Write both into a run folder."""
        if self.scores is not None:
            with replacing(run / WARM_SCORES) as partial, partial.open("wb") as file:
                np.save(file, self.scores)
        write_text(run / WARM_START, self.search.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, run: Path) -> "WarmStart | None":
        """Read what `save` wrote; None if the search had no warm start.

        Raises:
            InputError: If a file is damaged.
        """
        file, scores = run / WARM_START, run / WARM_SCORES
        if not file.exists():
            return None
        try:
            search = EarlierSearch.model_validate_json(file.read_bytes())
            return cls(search, np.load(scores) if scores.exists() else None)
        except (ValueError, OSError, EOFError) as error:  # what readers raise at damaged files
            why = explain(error)[0] if isinstance(error, ValidationError) else error
            raise InputError(
                f"{file} or {scores.name} is damaged ({why}): put it back from a copy, or start a "
                "new search"
            ) from error
