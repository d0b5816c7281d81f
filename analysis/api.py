"""Score images from Python or a notebook: `from analysis import load_model`."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis.answers import find_answers
from analysis.check import leakage, look_at_new
from analysis.elsewhere.compare import Comparison
from analysis.elsewhere.promised import Promised
from analysis.elsewhere.site import OF_THE_SEARCH, Site, read_site, refuse_at_a_site
from analysis.evaluate import judge_findings
from analysis.export.folder import read_team, require_search
from analysis.guard.absent import why_unguarded
from analysis.guard.familiarity import REASON, Familiarity
from analysis.how_sure.asked import Asked
from analysis.how_sure.compare import compare
from analysis.model_file import FinalModel, seen_columns
from analysis.new_images import find_new_images
from analysis.predict import predictions_and_scores, score
from analysis.retrain import Retraining
from analysis.shared_stages import share_stages
from analysis.true_labels import read_true_labels
from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.left_out import describe_left_out
from trainable.defaults import CACHE, CACHE_BYTES, DeviceChoice
from trainable.errors import InputError
from trainable.evaluation.answers import Promise
from trainable.files import private_files
from trainable.reading.listing import Source
from trainable.report.answers import notes_on
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore


@dataclass(frozen=True)
class Team:
    """The trained team of a search.

    Attributes:
        winner: What the search chose, and what it is worth.
        findings: What is asked of each image.
        models: The members; the raw score is the mean of theirs.
    """

    winner: Winner
    findings: Findings
    models: tuple[FinalModel, ...]
    _run: Path
    _cohort: Cohort
    _store: ArrayStore
    _site: tuple[str, Site] | None = None
    _device: DeviceChoice = "auto"

    @property
    def classes(self) -> tuple[str, ...]:
        """What the user calls the negative and the positive class, or several classes.

        Raises:
            InputError: If there are several findings that can stand together.
        """
        if len(self._cohort.label_rules) > 1:
            raise InputError(f"classes are of one finding; of {len(self.findings)}, see findings")
        return self._cohort.label_rules[0].classes

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each finding; of several classes the highest score / threshold wins."""
        return dict(zip(self.findings.names, self.winner.thresholds, strict=True))

    @property
    def threshold(self) -> float:
        """A score of at least this is predicted positive.

        Raises:
            InputError: If there are several findings or classes.
        """
        if not self.findings.is_one:
            raise InputError(
                f"a threshold is of one finding; of {len(self.findings)}, see thresholds"
            )
        return self.winner.thresholds[0]

    @private_files()
    def predict(
        self,
        images: Path | str | Iterable[Path | str],
        *,
        unusable: Literal["drop"] | None = None,
        refuse_unfamiliar: bool = False,
        promise_npv: float | None = None,
        promise_ppv: float | None = None,
        how_sure: int | None = None,
    ) -> pd.DataFrame:
        """Score the images of a folder, those that a table lists, one image, or several.

        Args:
            images: A folder, a table, an image, or images one by one.
            unusable: With "drop", images that are absent or damaged get no score, with a warning.
            refuse_unfamiliar: Whether images that are unlike those of the training get no score.
            promise_npv: Share of the patients answered "no" who must be negative, above 0.5 and
                below 1.
            promise_ppv: The same of those answered "yes" who must be positive.
            how_sure: Number of resamples of the patients, such as 200, for an interval of each
                score; that of a team of a run alone.

        Returns:
            A row per image: `image` (or `exam`), `score` (0 to 1) and `prediction`, one of
            `classes`. Of several findings `score:NAME` and `prediction:NAME` of each, of several
            classes `score:NAME` of each and one `prediction`. With a promise, `answer` (or
            `answer:NAME`) is "no", "yes" or "a doctor decides". Where the search has recalibrated
            scores, `raw_score` (or `raw_score:NAME`) is what they were before. With `how_sure`,
            `low` and `high` (or `low:NAME` and `high:NAME`) hold the score that the model of
            another such cohort would give, in 95 % of cases. `familiar` is "yes" or "no", where
            the models know the training images. Without a score, NaN and "".

        Warns:
            UserWarning: Of images that are odd or left out, and of a promise that cannot be kept.

        Raises:
            InputError: Naming every image that cannot be read, or what else cannot be done.
        """
        if self._site is not None:
            given = zip(OF_THE_SEARCH, (how_sure, promise_npv, promise_ppv), strict=True)
            refuse_at_a_site(name for name, value in given if value is not None)
        answers = find_answers(self.winner, Promise(promise_npv, promise_ppv))
        require_search(self._run, [] if how_sure is None else ["how_sure"])
        asked = Asked.of(how_sure, self._run, self.winner, self._cohort, self._store, self._device)
        columns, drop = seen_columns(self.winner, self._cohort, self.models), unusable == "drop"
        new = find_new_images(_source(images), None, self._cohort, columns, leave_out=drop)
        left_out = describe_left_out(new.left_out, len(new.whole)) if new.left_out else ()
        seen = look_at_new(new, self.winner, self._store)
        found = score(self.models, new, self._store, self.winner.team_rows, self._device)
        known = Familiarity(new, found.familiar, seen.odd, why_unguarded(self.models, self._run))
        notes = *left_out, *notes_on(answers, self.findings), *seen.unlike, *known.sentences()
        for note in notes:
            warnings.warn(note, stacklevel=2)
        refused = known.refused(asked=refuse_unfamiliar)
        new, raw = new.without(refused, REASON), found.scores[~refused]
        scores = self.winner.recalibrated(raw)
        sure = None if asked is None else compare(asked, new, scores, lambda _: None)
        rules = self._cohort.label_rules
        return predictions_and_scores(new, raw, self.winner, rules, answers, sure, known.cells())[1]

    @private_files()
    def compare(
        self,
        images: Path | str | Iterable[Path | str],
        labels: Path | str,
        *,
        operating_point: float = 0.9,
    ) -> Comparison:
        """Compare what the search told of the team with what labels of other images show.

        Args:
            images: A folder, a table, an image, or images one by one.
            labels: A table of the true labels, read as in the search.
            operating_point: Specificity at which sensitivity is reported, and the reverse.

        Returns:
            Each finding with its metrics as told and as found, and why the F1 differs; its `table`
            is a data frame of them.

        Warns:
            UserWarning: Of images that are unlike those of the training.

        Raises:
            InputError: Naming images that are missing, cannot be read, have no label, or were
                trained on.
        """
        columns = seen_columns(self.winner, self._cohort, self.models)
        new = find_new_images(_source(images), None, self._cohort, columns)
        truth = read_true_labels(Path(labels).expanduser(), new, self._cohort)
        seen = look_at_new(new, self.winner, self._store)
        leak = leakage(new, seen.perceptual_hashes, truth.names, self._cohort)
        if leak.shared:
            raise InputError(*(f"labels must leave out {one}" for one in leak.shared))
        found = score(self.models, new, self._store, self.winner.team_rows, self._device)
        known = Familiarity(new, found.familiar, seen.odd, why_unguarded(self.models, self._run))
        for note in (*truth.notes, *seen.unlike, *known.sentences(), *leak.notes):
            warnings.warn(note, stacklevel=2)
        scored = truth.scored(self.winner.recalibrated(found.scores))
        judged = judge_findings(scored, self.findings, self.winner, operating_point)
        promised = Promised(self._run, self.winner, self._cohort, self._site)
        return promised.compare(new, known, truth, scored, judged, operating_point)


def _source(images: Path | str | Iterable[Path | str]) -> Source:
    """New images as the caller names them."""
    if isinstance(images, Path | str):
        return Path(images).expanduser()
    if isinstance(images, pd.DataFrame):
        raise InputError("images must be paths; of a table, give the column that names them")
    return list(images)


@private_files()
def load_model(
    folder: Path | str,
    *,
    seeds: int | None = None,
    cache: Path | str = CACHE,
    site: str | None = None,
    device: DeviceChoice = "auto",
) -> Team:
    """Read the team of a run folder, or of a folder of `cxr-export`.

    Args:
        folder: The folder. The team of a run is trained now, if `cxr-predict` or `cxr-export` has
            not done so.
        seeds: Number of networks per member, if not as many as the search averaged over; an
            exported team has its own.
        cache: Folder of decoded images.
        site: Name of a site that the team was recalibrated to.
        device: Where the team is trained and computes: "auto" is a GPU if there is one.

    Raises:
        InputError: If the folder holds no team, or no such site, or the labelled images to train
            it are missing.
    """
    path = Path(folder).expanduser().resolve()
    store = ArrayStore(Path(cache).expanduser().resolve(), CACHE_BYTES)
    winner, cohort, models = read_team(path)
    if not models:
        retraining = Retraining(path, winner, cohort, seeds, store, device)
        models = [retraining.model(member, lambda *_: None) for member in winner.members]
    share_stages(models)
    at = None
    if site is not None:
        at = site, read_site(path, site, winner)
        winner = at[1].of(winner)
    return Team(winner, cohort.findings, tuple(models), path, cohort, store, at, device)
