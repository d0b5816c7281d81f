"""What a search takes over from an earlier one, kept to be resumed and corrected for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from trainable.config import TrialConfig
from trainable.errors import InputError, listing, why_unread
from trainable.files import replacing, write_text

WARM_START, WARM_SCORES = "warm_start.json", "warm_start.npy"
WARM_WINNER = "warm_start_winner.npy"


class EarlierTrial(BaseModel):
    """A complete trial of the earlier search: its number and its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    config: TrialConfig


class CohortChange(BaseModel):
    """How a cohort differs from that of the earlier search. Images are known by what they hold.

    Attributes:
        new_images: Images that the earlier search had not.
        new_patients: Patients all of whose images are new.
        gone_images: Images that are no longer there.
        gone_patients: Patients of the earlier search none of whose images is left.
        relabelled: Examinations of both with another label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    new_images: int
    new_patients: int
    gone_images: int
    gone_patients: int
    relabelled: int


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
        change: How its cohort has changed since; None where an earlier version did not keep it.
        thresholds: Thresholds of its winner, one per finding; none where it has no winner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    trials: tuple[EarlierTrial, ...]
    num_queued: int
    num_shared: int
    has_history: bool
    seen: tuple[str, ...]
    change: CohortChange | None = None
    thresholds: tuple[float, ...] = ()

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
        winner_scores: Out-of-fold scores (num_exams, num_findings) of its winner for the
            examinations of the new search, NaN where never scored; None without a winner.
    """

    search: EarlierSearch
    scores: NDArray[np.float32] | None
    winner_scores: NDArray[np.float32] | None = None

    def save(self, run: Path) -> None:
        """Write all into a run folder."""
        for name, scores in ((WARM_SCORES, self.scores), (WARM_WINNER, self.winner_scores)):
            if scores is not None:
                with replacing(run / name) as partial, partial.open("wb") as file:
                    np.save(file, scores)
        write_text(run / WARM_START, self.search.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, run: Path) -> "WarmStart | None":
        """Read what `save` wrote; None if the search had no warm start.

        Raises:
            InputError: If a file is damaged.
        """
        file, arrays = run / WARM_START, [run / name for name in (WARM_SCORES, WARM_WINNER)]
        if not file.exists():
            return None
        try:
            search = EarlierSearch.model_validate_json(file.read_bytes())
            return cls(search, *(np.load(one) if one.exists() else None for one in arrays))
        except (ValueError, OSError, EOFError) as error:  # what readers raise at damaged files
            raise InputError(
                f"{file} or {listing(one.name for one in arrays)} is damaged "
                f"({why_unread(error)}): put it back from a copy, or start a new search"
            ) from error
