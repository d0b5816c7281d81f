"""A limit that makes two classes of a score, such as `>=10`."""

import re
from dataclasses import dataclass

import pandas as pd

_LIMIT = re.compile(r"\s*(>=|<=|>|<|≥|≤)\s*([+-]?\d+(?:[.,]\d+)?)\s*")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_SIGNS = {"≥": ">=", "≤": "<="}
_OPPOSITES = {">=": "<", "<": ">=", "<=": ">", ">": "<="}


@dataclass(frozen=True)
class Limit:
    """What a score must be for a class.

    Attributes:
        sign: One of >=, >, <= and <.
        number: The limit, as the user wrote it.
    """

    sign: str
    number: str

    @classmethod
    def read(cls, text: str | None) -> "Limit | None":
        """The limit that a text says, or None.

        >>> Limit.read("≥ 10"), Limit.read("severe")
        (Limit(sign='>=', number='10'), None)
        """
        found = _LIMIT.fullmatch(text or "")
        return None if found is None else cls(_SIGNS.get(found[1], found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.sign}{self.number}"

    @property
    def opposite(self) -> "Limit":
        """All other scores.

        >>> str(Limit(">=", "10").opposite)
        '<10'
        """
        return Limit(_OPPOSITES[self.sign], self.number)

    def holds(self, cells: pd.Series) -> pd.Series:
        """Whether each cell is a number that is within the limit."""
        numbers, limit = cells.map(number_in), number_in(self.number)
        within = {
            ">=": numbers >= limit,
            ">": numbers > limit,
            "<=": numbers <= limit,
            "<": numbers < limit,
        }
        return within[self.sign]


def number_in(cell: str) -> float:
    """The number in a cell, with a decimal point or comma; NaN if it is none."""
    text = cell.strip()
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else float("nan")
