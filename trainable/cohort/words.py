"""Words in a user's cells: spellings of one value, yes and no, and words for not known."""

import re
import unicodedata
from collections.abc import Iterable

NO = frozenset({"0", "false", "f", "no", "n", "neg", "negative"})
YES = frozenset({"1", "true", "t", "yes", "y", "pos", "positive"})
UNKNOWN_WORDS = frozenset(
    {
        # those of pandas
        *("", "nan", "-nan", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "null", "none", "nat"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        # those of people
        *("?", "??", "???", "-", "--", ".", "unclear", "unknown", "unk", "not known", "uncertain"),
        *("missing", "not available", "not recorded", "not reported", "not done", "undetermined"),
        *("indeterminate", "pending", "tbd", "nil", "blank", "not applicable", "not specified"),
    }
)
"""Words for a value that is not known, in small letters."""

_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:[.,]0*)?$")


def same_value(value: str) -> str:
    """One spelling for all spellings of a value: `1.0` is 1, `TRUE` is true.

    >>> [same_value(value) for value in ("1.0", "01", "-1,0", " TRUE ", "0.5")]
    ['1', '1', '-1', 'true', '0.5']
    """
    plain = unicodedata.normalize("NFC", value.strip()).casefold()
    number = _NUMBER.match(plain)
    if not number:
        return plain
    return ("-" if number[1] == "-" and number[2] != "0" else "") + number[2]


def only_say_yes_or_no(values: Iterable[str]) -> bool:
    """Whether all values are words for yes and no, as `same_value` writes them."""
    return set(values) <= NO | YES


def yes_or_no(word: str) -> str:
    """`1` for a word that says yes, `0` for one that says no, any other word as it is."""
    return "1" if word in YES else "0" if word in NO else word
