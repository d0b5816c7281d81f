"""The cohort: which images there are, their labels, their patients, and what must hold of them."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.covariates import manifest_columns, read_covariates
from trainable.cohort.exams import ONE_IMAGE_EACH, Grouping, group_images
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import LabelRule, findings_of
from trainable.cohort.left_out import FILE as LEFT_OUT
from trainable.cohort.left_out import LeftOut, read_left_out, write_left_out
from trainable.cohort.scored import Scored, is_scored
from trainable.errors import InputError
from trainable.files import replacing, write_text

MANIFEST_COLUMNS = ("image", "path", "label", "patient", "split", "sha256")
LABEL_OF = "label:"
"""Before the name of each of several findings, in place of the column `label`."""
FOLD_OF = "fold:"
"""Before the name of the column whose values the folds leave out."""
EXAM_COLUMNS = ("exam", "view")


@dataclass(frozen=True)
class Cohort:
    """Labelled images in a fixed order, and the examinations that they are of.

    What is labelled, scored and predicted is the examination; without several views, every image
    is one of its own.

    Attributes:
        manifest: one row per image: `image` (the user's name for it), `path` (absolute), `label`
            (1 positive, 0 negative; the number of the class where there are several), or for
            each of several findings `label:NAME` (-1 unknown), `patient`, `split` (the side
            "train", "valid" or "test"; "" where there are none), `sha256` of the file; and where
            examinations have several views `exam` (the user's name for it) and `view` (its place).
            A search adds `look`, the perceptual hash, and, where images that look the same count as
            one patient, `own_patient`, the patient as the user has it; and, where folds leave out
            the values of a column, `fold:COLUMN`, what is left out together. Covariates, such as
            the age, stand there as text, see `covariates`.
        label_rules: how the labels were read, by which later ones are judged: one rule, or one
            for each of several findings that can stand together.
        notes: remarks for the user on how the input was understood, a sentence each.
        grouping: Grouping of the images into examinations.
        found_by: the columns of the table by what they hold (`image`, `label`, `patient`), and the
            `patient_pattern`; other tables of the same user have the same.
        left_out: images that the user had left out, as they are absent or damaged.
        unused: what else of the data is not used, in a few words each; no search of an earlier
            version kept it.
        look_alikes: Pairs of rows of the manifest whose images look the same; None if the images
            were not compared.
    """

    manifest: pd.DataFrame
    label_rules: tuple[LabelRule, ...]
    notes: tuple[str, ...] = ()
    grouping: Grouping = ONE_IMAGE_EACH
    found_by: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    unused: tuple[str, ...] = ()
    look_alikes: tuple[tuple[int, int], ...] | None = None

    @property
    def classes(self) -> tuple[str, str]:
        """What the user calls the negative and the positive class of the one finding."""
        [rule] = self.label_rules
        negative, positive = rule.classes
        return negative, positive

    @property
    def findings(self) -> Findings:
        """What is asked of each examination."""
        return findings_of(self.label_rules)

    @property
    def label_columns(self) -> list[str]:
        """The columns of the manifest that hold labels."""
        return label_columns(self.manifest)

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
        """Shape (num_exams, num_findings): see `Findings`."""
        labels = self.exams[self.label_columns].to_numpy(np.int64)
        if self.findings.exclusive:
            return np.asarray(labels == np.arange(len(self.findings)), dtype=np.int64)
        return labels

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
    def left_out_by(self) -> pd.Series | None:
        """(num_exams,), what folds leave out together, named by its column; None if they are drawn.

        Only examinations that are not kept for a test have a value.
        """
        exams = self.exams
        columns = [name for name in map(str, exams) if name.startswith(FOLD_OF)]
        return exams[columns[0]].rename(columns[0].removeprefix(FOLD_OF)) if columns else None

    @property
    def is_split(self) -> bool:
        """Whether the images stand on sides, the user's own or by shares."""
        return bool((self.manifest["split"] != "").any())

    @property
    def has_one_fold(self) -> bool:
        """Whether trials are trained on one side and scored on another, without folds."""
        return bool((self.manifest["split"] == "valid").any())

    @property
    def has_test(self) -> bool:
        """Whether some images are kept for a test at the end."""
        return bool((self.manifest["split"] == "test").any())

    @property
    def digest(self) -> str:
        """Names all that a search sees: two cohorts share it when they would share a search."""
        columns = ["sha256", *self.label_columns, "patient", "split"]
        if self.grouping.views > 1:
            columns += EXAM_COLUMNS
        columns += manifest_columns(self.manifest)
        columns += [name for name in map(str, self.manifest) if name.startswith(FOLD_OF)]
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
            "label_rules": [asdict(rule) for rule in self.label_rules],
            "notes": self.notes,
            "unused": self.unused,
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
            dtype=defaultdict(lambda: "str", view="int64"),
            keep_default_na=False,
        )
        manifest = manifest.astype(dict.fromkeys(label_columns(manifest), "int64"))
        about = json.loads((folder / "cohort.json").read_text())
        rules = tuple(LabelRule(**{**r, "classes": tuple(r["classes"])}) for r in _rules(about))
        grouping = Grouping(**{**about["grouping"], "names": tuple(about["grouping"]["names"])})
        notes, found_by = tuple(about["notes"]), about.get("found_by", {})
        pairs = about.get("look_alikes")  # a search of an earlier version kept none
        alike = None if pairs is None else tuple((one, other) for one, other in pairs)
        places = [
            [os.path.normpath(place / path) for path in manifest["path"]]
            for place in (folder, Path(about["written_in"]))
        ]
        manifest["path"] = max(places, key=lambda paths: sum(map(os.path.isfile, paths)))
        left_out, unused = read_left_out(folder / LEFT_OUT), tuple(about.get("unused", ()))
        return cls(manifest, rules, notes, grouping, found_by, left_out, unused, alike)


def label_columns(table: pd.DataFrame) -> list[str]:
    """The columns of labels that a table has as a manifest has them."""
    return [str(one) for one in table if one == "label" or str(one).startswith(LABEL_OF)]


def _rules(about: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules of a saved cohort; earlier versions had one, and the first the classes alone."""
    if "label_rules" in about:
        return list(about["label_rules"])
    return [about.get("label_rule") or {"classes": about["classes"]}]


def _relative(path: str, folder: Path) -> str:
    """The path from the folder to a file in it or beside it; else the path as it is."""
    beside = folder.parent
    is_beside = beside != beside.parent and Path(path).is_relative_to(beside)
    return os.path.relpath(path, folder) if is_beside else path
