"""Do small changes of an image change its score? Judged by models that never saw the patient.

Heads of the folds are fitted again to stored features. A sample of the images is changed, and goes
through the frozen networks once per change.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from search.rescored.trials import StoredTrials, require_folds, stored_team
from search.results.search_result import SearchResult
from trainable.cohort.scored import OutOfFold, Scored, scores_of_teams
from trainable.cohort.splits import seen_rows
from trainable.device import one_thread
from trainable.errors import DivergedError, InputError, num_of
from trainable.evaluation.intervals import Estimate, estimate_each
from trainable.evaluation.metrics import auc, difference, of_scores
from trainable.features.body import Body
from trainable.features.passes import pass_of
from trainable.features.tables import frozen_inputs
from trainable.images.batches import Inputs, by_examination, with_columns
from trainable.images.changes import CHANGES, changed
from trainable.images.loading import Images
from trainable.reading.moved_images import require_unchanged
from trainable.report.table_lines import table_lines
from trainable.run.found_out import FoundOut
from trainable.run.winner import digest_of
from trainable.training.loop import predict_logits
from trainable.trial.cross_validation import Assembly, assemble, fold_seed, train_network

OPTION = "--robustness"
_MOST = 100  # examinations
_BATCH = 256
_AS_IT_IS = ""
_AUC = "AUC less AUC as it is"


@dataclass(frozen=True)
class Changed:
    """What a change does to the scores of one finding.

    Attributes:
        finding: Name of the finding or class.
        change: Name of the change.
        moved: Mean distance of the score from that of the image as it is.
        flipped: Share of the examinations whose answer is another one.
        gain: AUC of the changed images less that of the same images as they are; None without
            both classes.
    """

    finding: str
    change: str
    moved: float
    flipped: float
    gain: Estimate | None


@dataclass(frozen=True)
class Robustness:
    """What small changes do to the scores of a sample.

    Attributes:
        num_exams: Examinations of the sample, each of another patient.
        unit: What each is called.
        num_members: Trials of the team whose heads were fitted again.
        num_left_out: Trials of the team with trained stages.
        effects: By finding and change.
    """

    num_exams: int
    unit: str
    num_members: int
    num_left_out: int
    effects: tuple[Changed, ...]

    @property
    def sentences(self) -> Iterator[str]:
        """What was found, a sentence each; without the full stops."""
        findings = dict.fromkeys(one.finding for one in self.effects)
        for finding in findings:
            own = [one for one in self.effects if one.finding == finding]
            least, most = (each(own, key=lambda one: one.flipped) for each in (min, max))
            name = f"{finding}: " if len(findings) > 1 else ""
            yield (
                f"{name}small changes of {num_of(self.num_exams, self.unit)} change "
                f"{100 * least.flipped:.0f} to {100 * most.flipped:.0f} % of the answers (the "
                f"most: {most.change}), and move the score by "
                f"{max(one.moved for one in own):.3f} at most, on average"
            )
        if self.num_left_out:
            yield f"{num_of(self.num_left_out, 'trial')} of the team left out, with trained stages"

    @property
    def table(self) -> pd.DataFrame:
        """A row per finding and change."""
        several = len({one.finding for one in self.effects}) > 1
        return pd.DataFrame(
            [
                {
                    **({"finding": one.finding} if several else {}),
                    "change": one.change,
                    "score moved by": f"{one.moved:.3f}",
                    "other answer": f"{100 * one.flipped:.1f} %",
                    _AUC: "one class only" if one.gain is None else _signed(one),
                }
                for one in self.effects
            ]
        )

    @property
    def lines(self) -> Iterator[str]:
        """The table for a terminal, of several findings without the AUC, and the sentences."""
        table = self.table
        yield from table_lines(table.drop(columns=_AUC) if "finding" in table else table)
        yield from self.sentences


class KeptRobustness(FoundOut):
    """What a run keeps of it.

    Attributes:
        winner: As in `FoundOut`.
        found: What was found.
    """

    NAME: ClassVar[str] = "robustness.json"
    AGAIN: ClassVar[str] = f"write it again with cxr-report RUN {OPTION}"

    found: Robustness


def keep_robustness(result: SearchResult, found: Robustness) -> None:
    """Keep in a run what was found."""
    winner = digest_of(result.winner, result.cohort)
    KeptRobustness(winner=winner, found=found).save(result.run)


def _signed(one: Changed) -> str:
    assert one.gain is not None
    return f"{one.gain.value:+.3f} ({one.gain.low:+.3f} to {one.gain.high:+.3f})"


def judge_robustness(
    result: SearchResult,
    labelled_images: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Robustness:
    """Score changed images by heads of the folds that never saw their patients.

    Args:
        result: The run.
        labelled_images: Folder of the labelled images, if they have moved.
        report: Takes a line for the user, what it costs, before anything is computed.

    Raises:
        InputError: If there are no folds, or a finding has no trial without trained stages; if
            images or weights are missing or have changed; or if a head no longer converges.
    """
    require_folds(result, OPTION)
    members, teams = stored_team(result, OPTION)
    table = result.trials.set_index("number", drop=False).loc[members]
    trials = StoredTrials.of(result, table.to_dict("records"), labelled_images)
    require_unchanged(trials.cohort, "--labelled-images")
    exams = _sample(result)
    num_passes = len(dict.fromkeys(filter(None, map(pass_of, trials.configs))))
    num_images = int((trials.materials.data.exam_images[exams] >= 0).sum())
    report(
        f"robustness: {num_of(num_images, 'image')}, changed in {len(CHANGES)} ways, through "
        f"{num_of(num_passes, 'frozen network')}: {num_images * len(CHANGES) * num_passes:,} "
        f"passes; {num_of(len(members) * len(result.folds), 'head')} fitted again"
    )
    for line in trials.missing_line:
        report(f"  {line}")
    by_trial = [scores_of_changes(trials, number, result, exams) for number in range(len(members))]
    by_change = {
        change: result.winner.recalibrated(
            scores_of_teams(np.stack([one[change] for one in by_trial]), teams)
        )
        for change in (_AS_IT_IS, *CHANGES)
    }
    return Robustness(
        len(exams),
        result.cohort.grouping.unit,
        len(members),
        len(result.winner.members) - len(members),
        tuple(_effects(result, exams, by_change)),
    )


def _sample(result: SearchResult) -> NDArray[np.int64]:
    """Up to 100 examinations of as many patients, by chance, the same in each call."""
    rng = np.random.default_rng(result.winner.seed)
    seen = rng.permutation(seen_rows(result.cohort))
    _, first = np.unique(result.cohort.patients[seen], return_index=True)
    return np.sort(seen[np.sort(first)][:_MOST])


def scores_of_changes(
    trials: StoredTrials, number: int, result: SearchResult, exams: NDArray[np.int64]
) -> Mapping[str, NDArray[np.float32]]:
    """Out-of-fold scores (len(exams), num_findings) of a trial, by the change; "" is none.

    Args:
        trials: Trials of the run.
        number: Place of the trial among them.
        result: The run.
        exams: Numbers of the examinations.

    Raises:
        InputError: If a head does not converge.
    """
    config = trials.configs[number]
    parts, materials = assemble(config, trials.materials), trials.materials
    own = materials.data.exam_images[exams]
    images = materials.data.images(config.preprocessing.square, materials.store).take(own[own >= 0])
    places = own.copy()
    places[own >= 0] = np.arange((own >= 0).sum())
    inputs = {
        change: _inputs(trials, parts, images if change == _AS_IT_IS else changed(images, change))
        for change in (_AS_IT_IS, *CHANGES)
    }
    found = {change: OutOfFold(len(exams), parts.rows.labels.shape[1]) for change in inputs}
    for fold_number, fold in enumerate(result.folds, start=1):
        rows = np.flatnonzero(np.isin(exams, fold.valid))
        if not len(rows):
            continue
        try:
            with one_thread():  # a head on stored features is small
                seed = fold_seed(trials.seed, fold_number, config.seed)
                network, _ = train_network(parts, fold, seed)
        except DivergedError as error:
            raise InputError(
                f"{OPTION} needs heads that converge, and trial {trials.rows[number]['number']} "
                "does not"
            ) from error
        device = parts.labels.device
        for change, take in inputs.items():
            given = by_examination(take, places)
            if network.column_code is not None:
                code = network.column_code
                values = torch.from_numpy(code.values(parts.covariates.iloc[exams]))
                given = with_columns(given, code.encode(values), device)
            logits = predict_logits(network, given, rows, _BATCH, device)
            found[change].add(rows, network.outputs.scores(logits).cpu().numpy())
    return {change: one.scores for change, one in found.items()}


def _inputs(trials: StoredTrials, parts: Assembly, images: Images) -> Inputs:
    """Features of some images; what the store lacks is computed, and kept there."""
    materials = trials.materials
    body = Body(images, parts.config, materials.weights, materials.device, materials.by_place)
    features, _ = frozen_inputs(body, materials.store)
    return features


def _effects(
    result: SearchResult, exams: NDArray[np.int64], by_change: Mapping[str, NDArray[np.float32]]
) -> Iterator[Changed]:
    winner, before = result.winner, by_change[_AS_IT_IS]
    scored = Scored(result.cohort.labels[exams], result.cohort.patients[exams], before)
    known = scored.labels >= 0
    both = np.logical_and(*((scored.labels == label).any(axis=0) for label in (0, 1)))
    gains = estimate_each(
        scored, {change: difference(of_scores(by_change[change], auc), auc) for change in CHANGES}
    )
    for number, name in enumerate(winner.findings.names):
        rows = known[:, number]
        for change in CHANGES:
            after = by_change[change]
            flipped = (winner.decide(after) != winner.decide(before))[rows, number]
            yield Changed(
                name,
                change,
                float(np.abs(after - before)[rows, number].mean()),
                float(flipped.mean()),
                gains[number][change] if both[number] else None,
            )
