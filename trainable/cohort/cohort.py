"""The cohort: which images there are, their labels, their patients, and what must hold of them."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.covariates import manifest_columns, read_covariates
from trainable.cohort.exams import ONE_IMAGE_EACH, Grouping, group_images
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.left_out import FILE as LEFT_OUT
from trainable.cohort.left_out import LeftOut, read_left_out, write_left_out
from trainable.cohort.scored import Scored, is_scored
from trainable.errors import Checks, InputError, listing
from trainable.files import replacing, write_text

MANIFEST_COLUMNS = ("image", "path", "label", "patient", "split", "sha256")
EXAM_COLUMNS = ("exam", "view")


@dataclass(frozen=True)
class Cohort:
    """Labelled images in a fixed order, and the examinations that they are of.

    What is labelled, scored and predicted is the examination; without several views, every image
    is one of its own.

    Attributes:
        manifest: one row per image: `image` (the user's name for it), `path` (absolute), `label`
            (1 positive, 0 negative), `patient`, `split` ("" to cross-validate;
            "train", "valid" or "test" where there is one split), `sha256` of the file; and where
            examinations have several views `exam` (the user's name for it) and `view` (its place).
            A search adds `look`, the perceptual hash, and, where images that look the same count as
            one patient, `own_patient`, the patient as the user has it. Covariates, such as
            the age, stand there as text, see `covariates`.
        label_rule: how the labels were read, by which later ones are judged.
        notes: remarks for the user on how the input was understood, a sentence each.
        grouping: Grouping of the images into examinations.
        found_by: the columns of the table by what they hold (`image`, `label`, `patient`), and the
            `patient_pattern`; other tables of the same user have the same.
        left_out: images that the user had left out, as they are absent or damaged.
        look_alikes: Pairs of rows of the manifest whose images look the same; None if the images
            were not compared.
    """

    manifest: pd.DataFrame
    label_rule: LabelRule
    notes: tuple[str, ...] = ()
    grouping: Grouping = ONE_IMAGE_EACH
    found_by: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    look_alikes: tuple[tuple[int, int], ...] | None = None

    @property
    def classes(self) -> tuple[str, str]:
        """What the user calls the negative and the positive class, as predictions name them."""
        return self.label_rule.classes

    @property
    def findings(self) -> Findings:
        """What is asked of each examination."""
        return Findings((self.classes[1],))

    @property
    def exams(self) -> pd.DataFrame:
        """One row per examination, in the order of their first images: the manifest's row of that.

        Label, patient and split are the examination's.
        """
        if self.grouping.views == 1:
            return self.manifest
        return self.manifest.drop_duplicates("exam", ignore_index=True)

    @property
    def exam_images(self) -> NDArray[np.int64]:
        """Shape (num_exams, views): rows of the manifest, -1 where a view is missing."""
        if self.grouping.views == 1:
            return np.arange(len(self.manifest))[:, None]
        exams = np.asarray(pd.factorize(self.manifest["exam"])[0], dtype=np.int64)
        return group_images(exams, self.manifest["view"].to_numpy(np.int64), self.grouping.views)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Shape (num_exams, num_findings): see `Findings`. There is one."""
        return self.exams[["label"]].to_numpy(np.int64)

    @property
    def patients(self) -> NDArray[np.int64]:
        """Shape (num_exams,): examinations of one patient share a number."""
        return np.asarray(pd.factorize(self.exams["patient"])[0], dtype=np.int64)

    def scored(self, scores: NDArray[np.float32]) -> Scored:
        """The examinations that have scores.

        Args:
            scores: (..., num_exams, num_findings), NaN where never scored.
        """
        rows = is_scored(scores)
        return Scored(self.labels, self.patients, scores).take(rows)

    @property
    def covariates(self) -> pd.DataFrame:
        """One row per examination: its covariates, numbers or text, NaN where not known."""
        return read_covariates(self.exams)

    @property
    def is_split(self) -> bool:
        """Whether there is one split, the user's own or by shares, and not folds."""
        return bool((self.manifest["split"] == "valid").any())

    @property
    def digest(self) -> str:
        """Names all that a search sees: two cohorts share it when they would share a search."""
        columns = ["sha256", "label", "patient", "split"]
        if self.grouping.views > 1:
            columns += EXAM_COLUMNS
        columns += manifest_columns(self.manifest)
        rows = self.manifest[columns].to_csv(index=False)
        return hashlib.sha256(rows.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write `cohort.csv` (the manifest) and `cohort.json` (all the rest) into `folder`.

        `left_out.csv` has the images that are left out, where there are any.

        Images in the folder or beside it are written relative to the folder, so that all can be
        moved together.
        """
        paths = [_relative(path, folder) for path in self.manifest["path"]]
        with replacing(folder / "cohort.csv") as partial:
            self.manifest.assign(path=paths).to_csv(partial, index=False)
        if self.left_out:
            write_left_out(self.left_out, folder / LEFT_OUT)
        about = {
            "written_in": str(folder),
            "label_rule": asdict(self.label_rule),
            "notes": self.notes,
            "digest": self.digest,
            "grouping": asdict(self.grouping),
            "found_by": dict(self.found_by),
            "look_alikes": self.look_alikes,
        }
        write_text(folder / "cohort.json", json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Cohort":
        """Read what `save` wrote; the images may be where they were, or moved with the folder.

        Raises:
            InputError: If a file is missing, damaged, or not the one that was written.
        """
        advice = "put the file back from a copy, or start a new search"
        files = "cohort.csv or cohort.json"
        try:
            cohort = cls._read(folder)
            then = json.loads((folder / "cohort.json").read_text())["digest"]
        except FileNotFoundError as error:
            raise InputError(f"{error.filename} is missing: {advice}") from error
        except (ValueError, KeyError, TypeError) as error:  # what readers raise at damaged files
            raise InputError(f"{files} in {folder} is damaged: {advice}") from error
        if cohort.digest != then:
            raise InputError(f"{folder / 'cohort.csv'} is not as the search wrote it: {advice}")
        return cohort

    @classmethod
    def _read(cls, folder: Path) -> "Cohort":
        manifest = pd.read_csv(
            folder / "cohort.csv",
            dtype=defaultdict(lambda: "str", label="int64", view="int64"),
            keep_default_na=False,
        )
        about = json.loads((folder / "cohort.json").read_text())
        # a search of before there was a rule has the classes alone
        rule = about.get("label_rule") or {"classes": about["classes"]}
        rule = LabelRule(**{**rule, "classes": tuple(rule["classes"])})
        grouping = Grouping(**{**about["grouping"], "names": tuple(about["grouping"]["names"])})
        notes, found_by = tuple(about["notes"]), about.get("found_by", {})
        pairs = about.get("look_alikes")  # a search of an earlier version kept none
        alike = None if pairs is None else tuple((one, other) for one, other in pairs)
        places = [
            [os.path.normpath(place / path) for path in manifest["path"]]
            for place in (folder, Path(about["written_in"]))
        ]
        manifest["path"] = max(places, key=lambda paths: sum(map(os.path.isfile, paths)))
        left_out = read_left_out(folder / LEFT_OUT)
        return cls(manifest, rule, notes, grouping, found_by, left_out, alike)


def _relative(path: str, folder: Path) -> str:
    """The path from the folder to a file in it or beside it; else the path as it is."""
    beside = folder.parent
    is_beside = beside != beside.parent and Path(path).is_relative_to(beside)
    return os.path.relpath(path, folder) if is_beside else path


def check_cohort(cohort: Cohort, num_folds: int, mixed_patients: bool, checks: Checks) -> None:
    """Add every rule that the cohort breaks to `checks`.

    The rules: both classes present; rows of one image that agree; no file content under two labels
    or two patients; no patient with both labels (unless `mixed_patients`) nor on both sides of a
    kept split; at least `num_folds` patients of each class.
    """
    table = cohort.manifest
    repeated = table.loc[table["path"].duplicated(), "image"].unique()
    if len(repeated):
        checks.add(
            "the rows of an image must have one label and one patient; with several: "
            f"{listing(repeated)}. Fix them; against all other labels (--negative rest) one "
            "positive row is enough"
        )
    _check_same_content(table, checks)
    by_patient = table.groupby("patient", sort=False)
    labels_of = by_patient["label"].agg(["min", "max"])
    mixed = labels_of.index[labels_of["min"] != labels_of["max"]]
    if len(mixed) and not mixed_patients:
        checks.add(
            "a patient must have one label; with both: "
            f"{listing(mixed)}. Fix the labels, or allow it with --mixed-patients"
        )
    if cohort.is_split:
        sides = by_patient["split"].nunique()
        both = sides.index[sides > 1]
        if len(both):
            checks.add(
                f"a patient must be on one side of the split; on both: {listing(both)}. "
                "Move their images to one side, or let the folds do it with --split merge"
            )
    _check_counts(cohort, num_folds, checks)


def _check_same_content(table: pd.DataFrame, checks: Checks) -> None:
    once_each = table.drop_duplicates("path")
    for _, same in once_each[once_each["sha256"].duplicated(keep=False)].groupby("sha256"):
        names = listing(same["image"])
        if same["label"].nunique() > 1:
            checks.add(f"files with the same content must have one label; these differ: {names}")
        elif same["patient"].nunique() > 1:
            checks.add(
                f"files with the same content must belong to one patient, since else one leaks "
                f"from training into scoring; these do not: {names}. Keep one of them"
            )


def _check_counts(cohort: Cohort, num_folds: int, checks: Checks) -> None:
    parts = {"": cohort.manifest}
    if cohort.is_split:
        parts = {f" in {side}": part for side, part in cohort.manifest.groupby("split")}
    needed = 1 if cohort.is_split else num_folds
    for where, part in parts.items():
        for value, name in enumerate(cohort.classes):
            patients = part.loc[part["label"] == value, "patient"].nunique()
            if patients < needed:
                kind = "positive" if value else "negative"
                advice = "" if cohort.is_split else f", or ask for fewer with --folds {patients}"
                checks.add(
                    f"{needed} patients of each class are needed{where}, one per fold; "
                    f"{kind} ({name}): {patients}. Add images{advice if patients > 1 else ''}"
                )
