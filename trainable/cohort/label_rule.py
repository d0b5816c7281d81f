"""What labels mean: rules made from those of the training, by which later ones are judged."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from trainable.cohort.findings import Findings
from trainable.cohort.limit import Limit
from trainable.cohort.words import UNKNOWN_WORDS, only_say_yes_or_no, same_value, yes_or_no
from trainable.errors import num_of

REST = "rest"
"""Class of all that is not the other class."""

UNCERTAIN = "-1"
"""An uncertain label, as CheXpert writes it."""

# a decimal comma and a date are no marks between findings
_BETWEEN_FINDINGS = re.compile(r"[|;]|[,/](?!\d)")
_OPPOSITES = frozenset({"survival", "survived", "alive"})


class Judged(NamedTuple):
    """What labels say, a row each.

    Attributes:
        values: int64, 1 positive, 0 negative, -1 of no use.
        is_missing: Whether the label is missing.
        is_uncertain: Whether the label is uncertain.
    """

    values: pd.Series
    is_missing: pd.Series
    is_uncertain: pd.Series

    @property
    def is_other(self) -> pd.Series:
        """Whether the label is neither class, though it says something."""
        return (self.values == -1) & ~self.is_missing & ~self.is_uncertain


@dataclass(frozen=True)
class LabelRule:
    """How labels are read: made once from those of the training, it judges every later label.

    Attributes:
        classes: What the user calls the negative and the positive class. Where the negative one is
            `rest`, all is negative that lacks the positive one among the findings in its cell.
            Where the positive one is `rest`, all is positive that has another finding in its cell.
            Three or more classes exclude each other.
        any_yes_or_no: Whether any word for yes or no counts, as in a column of yes, no, 1 and 0;
            the classes are 0 and 1 then.
        missing: Use of rows without a label; None where they are refused.
        uncertain: Use of rows with -1; None where -1 is a value like others.
        has_limit: Whether a class is a limit, such as `>=10`, and no label as it stands.
        several_rows: Whether rows of one image may differ, as the table is of a kind that has a
            row per box or reader.
        finding: Which of several findings the labels are of; None where there is one rule.
    """

    classes: tuple[str, ...]
    any_yes_or_no: bool = False
    missing: Literal["negative", "drop"] | None = None
    uncertain: Literal["positive", "negative", "drop"] | None = None
    has_limit: bool = False
    several_rows: bool = False
    finding: str | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether there are several classes, of which exactly one holds."""
        return len(self.classes) > 2

    @property
    def one_row_is_enough(self) -> bool:
        """Whether an image is positive if one of its rows is; else its rows must agree."""
        return not self.is_exclusive and (self.several_rows or REST in self.classes)

    def plain(self, labels: pd.Series) -> pd.Series:
        """One spelling for all spellings of a label."""
        return labels.map(self._plain)

    def judge(self, labels: pd.Series) -> Judged:
        """What each label says; of several classes, the value is the number of the class.

        Args:
            labels: Text, as the user wrote it.
        """
        # the cells of a table with a million rows are few
        numbers, cells = pd.factorize(labels)
        judged = self._judge(pd.Series(cells, dtype=str))
        values, is_missing, is_uncertain = (
            pd.Series(column.to_numpy()[numbers], labels.index, name=labels.name)
            for column in judged
        )
        return Judged(values, is_missing, is_uncertain)

    def _judge(self, labels: pd.Series) -> Judged:
        plain, names = self.plain(labels), [same_value(name) for name in self.classes]
        is_missing = plain.isin(UNKNOWN_WORDS - {*names})
        is_uncertain = (plain == UNCERTAIN) & (self.uncertain is not None)
        values = pd.Series(-1, plain.index)
        if self._against_rest:
            values[:] = int(names[1] == REST)
        for value, name in enumerate(names):
            if not (self._against_rest and name == REST):
                values[self._is(name, plain)] = value
        for rows, use in ((is_missing, self.missing), (is_uncertain, self.uncertain)):
            values[rows] = {"positive": 1, "negative": 0}.get(use or "", -1)
        return Judged(values.astype("int64"), is_missing, is_uncertain)

    @property
    def _against_rest(self) -> bool:
        """Whether one class is all that the other is not; of three, one may be called so."""
        return not self.is_exclusive and REST in map(same_value, self.classes)

    def _is(self, name: str, plain: pd.Series) -> pd.Series:
        """Whether each label is of a class that has a name of its own."""
        limit = Limit.read(name) if self.has_limit else None
        if limit is not None:
            return limit.holds(plain)
        if not self._against_rest:
            return plain == name
        names = {name, bare(name)}
        if same_value(self.classes[1]) == REST:
            return plain.map(lambda cell: cell in names or self._parts(cell) <= names)
        return plain.map(lambda cell: not names.isdisjoint(map(self._plain, findings_in(cell))))

    def _parts(self, cell: str) -> set[str]:
        """The findings in a cell, where every mark stands between two."""
        parts = (bare(part) for part in _BETWEEN_FINDINGS.split(cell))
        return {self._plain(part) for part in parts if part}

    def is_beside_others(self, labels: pd.Series) -> pd.Series:
        """Whether the cell of a row in the class `rest` names the other class too."""
        other = next((name for name in self.classes if name != REST), REST)
        wanted = {same_value(other), bare(same_value(other))}
        plain = self.plain(labels)
        holds = plain.map(lambda cell: not wanted.isdisjoint(map(self._plain, findings_in(cell))))
        return holds & ~self._is(same_value(other), plain)

    def remarks(self, judged: Judged) -> Iterator[str]:
        """What became of missing and uncertain labels, a few words each, where there are any."""
        yield from (text for text, _ in self._remarks(judged))

    def unused(self, judged: Judged) -> Iterator[str]:
        """Those of the remarks that say what is left out."""
        yield from (text for text, is_unused in self._remarks(judged) if is_unused)

    def _remarks(self, judged: Judged) -> Iterator[tuple[str, bool]]:
        for what, rows, use in (
            ("missing", judged.is_missing, self.missing),
            ("uncertain", judged.is_uncertain, self.uncertain),
        ):
            if rows.any():
                done = "left out" if use == "drop" else f"counted as {use}"
                yield f"{num_of(int(rows.sum()), f'{what} label')} {done}", use == "drop"

    def may_be_opposite(self, column: str, trained_on: str) -> bool:
        """Whether yes in a column may be no in that of the training: survived, not died."""
        is_opposite = says_survival(column) != says_survival(trained_on)
        return is_opposite and only_say_yes_or_no(map(same_value, self.classes))

    def _plain(self, label: str) -> str:
        plain = same_value(label)
        return yes_or_no(plain) if self.any_yes_or_no else plain


def findings_of(rules: Sequence[LabelRule]) -> Findings:
    """What is asked where labels are read so: by one rule, or by one for each of several labels."""
    if len(rules) > 1:
        return Findings(tuple(str(rule.finding) for rule in rules))
    [rule] = rules
    return Findings(rule.classes, True) if rule.is_exclusive else Findings(rule.classes[1:])


def says_survival(column: object) -> bool:
    """Whether yes in this column means that a patient lives; other columns name the bad outcome."""
    return str(column).strip().lower() in _OPPOSITES


def findings_in(cell: str) -> set[str]:
    """The findings in a cell, one spelling each; a finding may be a cell with marks in it too.

    >>> sorted(findings_in("Effusion|Mass")), sorted(findings_in("['effusion', 'mass']"))[1:]
    (['effusion', 'mass'], ['effusion', 'mass'])
    """
    parts = [*cell.split("|"), *map(bare, _BETWEEN_FINDINGS.split(cell))]
    return {same_value(part) for part in parts}


def bare(finding: str) -> str:
    """A finding without the marks of a Python list around it."""
    return finding.strip(" []'\"")
