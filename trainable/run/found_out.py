"""What was found out about a winner after its search; a run keeps it until another is chosen."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from trainable.cohort.cohort import Cohort
from trainable.errors import InputError, why_unread
from trainable.files import as_typed, write_text, writing
from trainable.run.places import ANOTHER_RUN
from trainable.run.winner import Winner, digest_of


class FoundOut(BaseModel):
    """What a file of a run says of its winner.

    Attributes:
        winner: Digest of the winner and the cohort that it was found out about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
    NAME: ClassVar[str]
    """Name of the file."""
    AGAIN: ClassVar[str]
    """What writes it again, with RUN in place of the run."""

    winner: str

    @classmethod
    def file(cls, run: Path) -> Path:
        """Where a run keeps it."""
        return run / cls.NAME

    def save(self, run: Path, option: str = ANOTHER_RUN) -> None:
        """Write it into a run folder.

        Args:
            run: The folder.
            option: What names another folder.
        """
        with writing(run, option):
            write_text(self.file(run), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, run: Path, winner: Winner, cohort: Cohort) -> Self | None:
        """What `save` wrote; None where nothing was, or another winner was chosen since.

        Raises:
            InputError: If the file is damaged.
        """
        file = cls.file(run)
        if not file.is_file():
            return None
        try:
            found = cls.model_validate_json(file.read_bytes())
        except (ValidationError, OSError) as error:
            again = cls.AGAIN.replace("RUN", as_typed(run))
            raise InputError(f"{file} is damaged ({why_unread(error)}): {again}") from error
        return found if found.winner == digest_of(winner, cohort) else None
