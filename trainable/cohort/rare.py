"""Findings and classes with too few patients for the folds."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainable.cohort.cohort import Cohort
from trainable.cohort.counts import count_findings
from trainable.errors import listing, num_of


class TooFew(NamedTuple):
    """A class that has too few patients.

    Attributes:
        where: Side of the split, as ` in train`.
        needed: Patients that are needed.
        finding: Number of the finding, or of the class of several.
        value: The label that is rare, 1 or 0.
        patients: Patients that there are.
    """

    where: str
    needed: int
    finding: int
    value: int
    patients: int


def find_too_few(cohort: Cohort, num_folds: int) -> Iterator[TooFew]:
    """The classes with fewer patients than folds, or with none on a side of the cohort's split."""
    labels, patients, findings = cohort.labels, cohort.patients, cohort.findings
    sides = cohort.exams["split"]
    for side in sorted(set(sides)) or [""]:
        where, rows = f" in {side}" if side else "", (sides == side).to_numpy()
        needed = 1 if cohort.has_one_fold or side == "test" else num_folds
        counts = count_findings(findings, labels[rows], patients[rows])
        for number, found in enumerate(counts):
            for value in (1,) if findings.exclusive else (0, 1):
                there = found.patients.positive if value else found.patients.negative
                if there < needed:
                    yield TooFew(where, needed, number, value, there)


def describe_too_few(cohort: Cohort, found: Sequence[TooFew]) -> str:
    """The classes that are rare, with their patients."""
    kinds, names = ("negative", "positive"), cohort.findings.names
    if cohort.findings.is_one:
        return listing(f"{kinds[f.value]} ({cohort.classes[f.value]}): {f.patients}" for f in found)
    if cohort.findings.exclusive:
        return listing(f"{names[few.finding]}: {few.patients}" for few in found)
    return listing(f"{names[f.finding]} ({kinds[f.value]}): {f.patients}" for f in found)


def without_rare(cohort: Cohort, num_folds: int) -> Cohort:
    """The cohort without findings or classes that have too few patients, which are named.

    Examinations of which nothing is known then are left out too. Where nothing would be left to
    tell apart, the cohort comes back as it is, for `check_cohort` to refuse.
    """
    found = list(find_too_few(cohort, num_folds))
    rare = {few.finding for few in found}
    names = cohort.findings.names
    kept = [number for number in range(len(names)) if number not in rare]
    if not rare or len(kept) < (3 if cohort.findings.exclusive else 1):
        return cohort
    first = {few.finding: few for few in reversed(found)}
    by_limit: dict[str, list[TooFew]] = {}
    for _, few in sorted(first.items()):
        by_limit.setdefault(f"{num_of(few.needed, 'patient')}{few.where}", []).append(few)
    lines = (f"fewer than {n}: {describe_too_few(cohort, few)}" for n, few in by_limit.items())
    note = f"left out, with {'; '.join(lines)}"
    smaller = _only_classes if cohort.findings.exclusive else _only_findings
    left = smaller(cohort, kept)
    if gone := len(cohort.manifest) - len(left.manifest):
        note += f"; so {'is' if gone == 1 else 'are'} {num_of(gone, 'image')} without another label"
    return dataclasses.replace(left, notes=(*cohort.notes, note), unused=(*cohort.unused, note))


def _only_classes(cohort: Cohort, kept: Sequence[int]) -> Cohort:
    [rule] = cohort.label_rules
    manifest = cohort.manifest[cohort.manifest["label"].isin(kept)]
    manifest = manifest.assign(
        label=manifest["label"].map({old: new for new, old in enumerate(kept)})
    )
    rules = (dataclasses.replace(rule, classes=tuple(rule.classes[number] for number in kept)),)
    return dataclasses.replace(cohort, manifest=manifest.reset_index(drop=True), label_rules=rules)


def _only_findings(cohort: Cohort, kept: Sequence[int]) -> Cohort:
    columns = [cohort.label_columns[number] for number in kept]
    gone = [name for name in cohort.label_columns if name not in columns]
    rules = tuple(cohort.label_rules[number] for number in kept)
    manifest, found_by = cohort.manifest.drop(columns=gone), dict(cohort.found_by)
    manifest = manifest[(manifest[columns] >= 0).any(axis=1)].reset_index(drop=True)
    if len(kept) == 1:
        manifest = manifest.rename(columns={columns[0]: "label"})
        found_by.setdefault("label", str(rules[0].finding))
        rules = (dataclasses.replace(rules[0], finding=None),)
    return dataclasses.replace(cohort, manifest=manifest, label_rules=rules, found_by=found_by)
