"""What must hold of a cohort before a search: labels and patients that agree, enough of each."""

from collections.abc import Sequence

import pandas as pd

from trainable.cohort.cohort import LABEL_OF, Cohort
from trainable.cohort.rare import TooFew, describe_too_few, find_too_few
from trainable.errors import Checks, listing, num_of


def check_cohort(cohort: Cohort, num_folds: int, mixed_patients: bool, checks: Checks) -> None:
    """Add every rule that the cohort breaks to `checks`.

    The rules: both classes of each finding present; rows of one image that agree; no file content
    under two labels or two patients; no patient with both labels (unless `mixed_patients`, or of
    several findings, which come and go) nor on both sides of a kept split; patients of each class
    for every fold, and on every side.
    """
    table, is_labels = cohort.manifest, len(cohort.label_rules) > 1
    repeated = table.loc[table["path"].duplicated(), "image"].unique()
    if len(repeated):
        advice = "against all other labels (--negative rest) one positive row is enough"
        if cohort.findings.exclusive:
            advice = "where several may hold, read them with --findings all"
        checks.add(
            "the rows of an image must have one label and one patient; with several: "
            f"{listing(repeated)}. Fix them; {advice}"
        )
    _check_same_content(table, cohort.label_columns, checks)
    by_patient = table.groupby("patient", sort=False)
    if not is_labels and not mixed_patients:
        labels_of = by_patient["label"].agg(["min", "max"])
        mixed = labels_of.index[labels_of["min"] != labels_of["max"]]
        if len(mixed):
            several = "several" if cohort.findings.exclusive else "both"
            checks.add(
                f"a patient must have one label; with {several}: {listing(mixed)}. Fix the labels, "
                "or allow it with --mixed-patients"
            )
    if cohort.is_split:
        sides = by_patient["split"].nunique()
        both = sides.index[sides > 1]
        if len(both):
            checks.add(
                f"a patient must be on one side of the split; on both: {listing(both)}. "
                "Move their images to one side, or let the folds do it with --split merge"
            )
    check_counts(cohort, num_folds, checks)


def _check_same_content(table: pd.DataFrame, columns: Sequence[str], checks: Checks) -> None:
    once_each = table.drop_duplicates("path")
    for _, same in once_each[once_each["sha256"].duplicated(keep=False)].groupby("sha256"):
        names = listing(same["image"])
        # what is unknown of one file may be known of the other
        differ = [one for one in columns if same.loc[same[one] >= 0, one].nunique() > 1]
        if differ:
            of = [name.removeprefix(LABEL_OF) for name in differ if name != "label"]
            checks.add(
                f"files with the same content must have one label; these differ"
                f"{f' in {listing(of)}' if of else ''}: {names}"
            )
        elif same["patient"].nunique() > 1:
            checks.add(
                f"files with the same content must belong to one patient, since else one leaks "
                f"from training into scoring; these do not: {names}. Keep one of them"
            )


def check_counts(cohort: Cohort, num_folds: int, checks: Checks) -> None:
    """Add the findings or classes that have too few patients, those of each side together."""
    by_side: dict[str, list[TooFew]] = {}
    for few in find_too_few(cohort, num_folds):
        by_side.setdefault(few.where, []).append(few)
    for where, found in by_side.items():
        # of one finding, a sentence for each class
        for several in [[few] for few in found] if cohort.findings.is_one else [found]:
            least, needed = min(few.patients for few in several), several[0].needed
            why, advice = "", ""
            if needed > 1:
                why = ", one per fold"
                advice = f", or ask for fewer with --folds {least}" if least > 1 else ""
            elif where:
                advice = ", or cross-validate all together with --split merge"
            if cohort.findings.can_stand_together:
                advice = f", {'' if advice else 'or '}leave out these findings{advice}"
            checks.add(
                f"{num_of(needed, 'patient of each class is', 'patients of each class are')} "
                f"needed{where}{why}; {describe_too_few(cohort, several)}. Add images{advice}"
            )
