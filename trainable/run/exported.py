"""What a run knows of its exported team: the hash of the folder, so that a paper can name it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from trainable.cohort.cohort import Cohort
from trainable.errors import InputError, why_unread
from trainable.files import write_text, writing
from trainable.run.places import exported_file
from trainable.run.winner import Winner, digest_of


class Exported(BaseModel):
    """The last export of a run.

    Attributes:
        winner: Digest of the winner and the cohort that was exported.
        sha256: Hash of the exported folder.
        date: Day of the export, as 2026-12-01.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    winner: str
    sha256: str
    date: str

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        with writing(run, "RUN, a copy of this one"):
            write_text(exported_file(run), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, run: Path, winner: Winner, cohort: Cohort) -> "Exported | None":
        """What `save` wrote; None without an export, or where another winner was chosen since.

        Raises:
            InputError: If the file is damaged.
        """
        file = exported_file(run)
        if not file.is_file():
            return None
        try:
            found = cls.model_validate_json(file.read_bytes())
        except (ValidationError, OSError) as error:
            raise InputError(
                f"{file} is damaged ({why_unread(error)}): export the team again"
            ) from error
        return found if found.winner == digest_of(winner, cohort) else None
