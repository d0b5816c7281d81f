"""The name of a stored table: what is computed, and of which images."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trainable.files import digest
from trainable.store.array_file import ROW_NAME_BYTES, RowNames


@dataclass(frozen=True)
class TableName:
    """What a stored table holds. Two tables of the same `what` have the same row for one image.

    Attributes:
        what: Its kind, and all that a row depends on beside the image, in short and as a digest.
        rows: What each row is of, mostly the SHA-256 of an image file.
    """

    what: str
    rows: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def of_same_rows(self, what: str) -> "TableName":
        """The name of another table of the same images."""
        return dataclasses.replace(self, what=what)

    @property
    def key(self) -> str:
        """The name as a text that is short enough for a file."""
        return f"{self.what}-{_digest_of(self.rows)}"

    @property
    def row_names(self) -> RowNames:
        """What the file of the table keeps of `rows`."""
        return _short(self.rows)


# cached, since many tables are of the same images
@lru_cache(maxsize=16)
def _digest_of(rows: tuple[str, ...]) -> str:
    return digest("\n".join(rows))


@lru_cache(maxsize=16)
def _short(rows: tuple[str, ...]) -> RowNames:
    names = (hashlib.sha256(row.encode()).digest()[:ROW_NAME_BYTES] for row in rows)
    return np.frombuffer(b"".join(names), f"S{ROW_NAME_BYTES}")
