"""What a run knows of its exported team: the hash of the folder, so that a paper can name it."""

from typing import ClassVar

from trainable.run.found_out import FoundOut


class Exported(FoundOut):
    """The last export of a run.

    Attributes:
        winner: As in `FoundOut`.
        sha256: Hash of the exported folder.
        date: Day of the export, as 2026-12-01.
    """

    NAME: ClassVar[str] = "exported.json"
    AGAIN: ClassVar[str] = "export the team again"

    sha256: str
    date: str
