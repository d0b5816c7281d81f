"""The winner of a search: what is retrained for predictions, and what it is worth."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainable.backbones.encoder import Encoder
from trainable.backbones.start import read_start, without_folders
from trainable.backbones.weights import Weights, find_weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored, scores_of_teams
from trainable.config import TrialConfig
from trainable.errors import InputError, explain, num_of
from trainable.evaluation.answers import AnswerSteps
from trainable.evaluation.counts import Thresholds, decide
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.metrics import Evaluation, Metric, evaluate, f1_at, metrics_at
from trainable.evaluation.recalibration import Recalibration, recalibrated
from trainable.evaluation.scoring import Scoring
from trainable.files import as_typed, digest, write_text
from trainable.images.preprocessing import PixelStatistics
from trainable.run.places import read_scores, winner_file

FORMAT: Literal[8] = 8
"""Version of `winner.json`; raise it whenever an older file would be misread."""

_OF_ONE_FINDING, _RAW = 6, 7
"""The versions before, which are read too: the first of one finding, whose team are all members;
both without recalibrations."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Candidate(_Record):
    """A trial that the winner names.

    Attributes:
        trial: Number of the trial in the search.
        config: Settings of the trial.
        num_steps: Gradient steps that each scored model of the trial took.
    """

    trial: int
    config: TrialConfig
    num_steps: int


class TiedTrial(Candidate):
    """A trial that is statistically tied with the best one.

    Attributes:
        f1: Out-of-fold F1 of the trial.
    """

    f1: Share


class Member(Candidate):
    """A trial that is retrained; the score of a team is the mean over its members.

    Attributes:
        thresholds: Threshold of the member alone per finding, chosen on its out-of-fold scores.
    """

    thresholds: tuple[float, ...]


class CorrectedF1(_Record):
    """The F1 to expect on new patients.

    Attributes:
        f1: Out-of-fold F1 without the optimism.
        interval: 95 % CI of `f1`.
        optimism: Part of the out-of-fold F1 that comes from having chosen the best of many.
    """

    f1: Share
    interval: tuple[Share, Share]
    optimism: float

    @property
    def apparent(self) -> float:
        """The F1 on the scores that the trials were chosen by."""
        return self.f1 + self.optimism

    @property
    def estimate(self) -> Estimate:
        """The F1 with its interval."""
        return Estimate(self.f1, *self.interval)


class WarmStarted(_Record):
    """Where a search took its first configurations from.

    Attributes:
        run: Run folder of the earlier search.
        num_configurations: Configurations that came from there.
        num_trials: Trials that those were the best of.
        num_shared: Images of both searches.
        is_repeated: Whether that choice was made again on each resample, wholly.
    """

    run: str
    num_configurations: int
    num_trials: int
    num_shared: int
    is_repeated: bool


class History(_Record):
    """Choices by scores that were made before the winner's.

    Attributes:
        num_stopped: Trials that were stopped early for being behind.
        are_stops_repeated: Whether the stops were repeated on each resample.
        warm_start: Earlier search that gave some configurations.
    """

    num_stopped: int = 0
    are_stops_repeated: bool = True
    warm_start: WarmStarted | None = None

    def without_folders(self) -> "History":
        """The same choices; of the earlier run, the name without the folders above."""
        start = self.warm_start
        if start is None:
            return self
        named = start.model_copy(update={"run": Path(start.run).name})
        return self.model_copy(update={"warm_start": named})

    @property
    def is_corrected(self) -> bool:
        """Whether the corrected F1 is free of the luck of these choices."""
        start = self.warm_start
        warm = start is None or start.is_repeated or not start.num_shared
        return warm and (self.are_stops_repeated or not self.num_stopped)

    def sentences(self) -> Iterator[str]:
        """These choices, and whether their luck is in the corrected F1; without the full stops."""
        if self.num_stopped:
            stopped = num_of(self.num_stopped, "trial was", "trials were")
            luck = _luck(is_off=self.are_stops_repeated)
            yield f"{stopped} stopped early for being behind; {luck}"
        start = self.warm_start
        if start is not None:
            luck = _luck(is_off=start.is_repeated)
            yield (
                f"{num_of(start.num_configurations, 'configuration')} came from {start.run}, the "
                "best of "
                f"{num_of(start.num_trials, 'trial')} there, chosen on "
                f"{num_of(start.num_shared, 'image')} of this "
                f"search{'; ' + luck if start.num_shared else ': no image in common'}"
            )


def _luck(*, is_off: bool) -> str:
    if is_off:
        return "the expected F1 is corrected for that choice too"
    return "the expected F1 is not corrected for that choice, and may be too high"


class TestResult(_Record):
    """Metrics on the test rows of a split, of the final model trained on all other rows.

    Attributes:
        num_exams: Number of test examinations.
        num_positive: Number of positive test examinations.
        num_trained: Number of examinations that the model was trained on.
        estimates: Each metric with its 95 % CI by patient; of several findings, the average.
        each: The same of each of several findings.
    """

    __test__ = False  # pytest takes it for a class of tests

    num_exams: int
    num_positive: int
    num_trained: int
    estimates: dict[str, Estimate]
    each: tuple[dict[str, Estimate], ...] = ()


class TestLook(_Record):
    """One look at the test rows. Whoever chooses again after the first one may know its result.

    Attributes:
        date: Day of the look, as 2026-11-29.
        trials: Numbers of the members that were judged.
        thresholds: Threshold of the team's score per finding.
        result: What they scored.
    """

    __test__ = False

    date: str
    trials: tuple[int, ...]
    thresholds: tuple[float, ...]
    result: TestResult


class UsedWeights(_Record):
    """Weights that the bodies of a search started from.

    Attributes:
        kind: What `--weights` named.
        fingerprints: Fingerprint of the weights of each backbone of the members and tied trials.
        licences: Licence of the weights of each of these, as far as it is known; empty in records
            of before licences were kept.
    """

    kind: str
    fingerprints: dict[str, str]
    licences: dict[str, str] = {}

    def without_folders(self) -> "UsedWeights":
        """The same weights without the folders that they lay in."""
        fingerprints, licences = (
            {str(Encoder.read(name).without_folders()): text for name, text in facts.items()}
            for facts in (self.fingerprints, self.licences)
        )
        kind = str(without_folders(read_start(self.kind)))
        return UsedWeights(kind=kind, fingerprints=fingerprints, licences=licences)


class Winner(_Record):
    """The choice of a search, with everything that its retraining and evaluation need.

    Attributes:
        format: Version of the file.
        findings: What is asked of each examination.
        members: The trials to retrain, those of all teams, the best one first.
        teams: For each finding the numbers of the trials in its team; of several classes, all are
            equal.
        thresholds: Threshold of the team's score per finding; see `decide`.
        recalibrations: What makes scores of the teams' raw ones, the mean of their members', one
            per finding; none where all are their raw ones.
        answers: What the surest scores of the teams are worth, one per finding; none of several
            classes, and in records of before it was kept.
        scoring: How scores were judged.
        out_of_fold: Metrics of the teams' out-of-fold scores, one record per finding.
        corrected: The F1 over the findings to expect on new patients.
        corrected_each: The same of each finding.
        test_looks: Every look at the test rows, the first one first; none if there are no test rows
            or the search has not ended.
        tied: Trials that are statistically tied with the best one, best first.
        preferred_simple: Whether the simplest of the tied trials was taken, and not the best one.
        all_positive_f1: F1 of calling every examination positive, or of one class.
        num_trials: Number of complete trials that were chosen among.
        history: Choices that were made before, by stopping trials and by a warm start.
        weights: Weights that the bodies start from.
        statistics: Mean and standard deviation of the labelled images' pixels.
        seed: Seed of the search.
        folds: Folds of each repeat; 1 for a single split.
        folds_by: Column whose values the folds left out; None where they were drawn.
        repeats: Fits whose mean score an examination was judged by; a final model has as many.
        versions: Versions of the libraries that a score depends on.
    """

    format: Literal[8]
    findings: Findings
    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    teams: Annotated[tuple[tuple[int, ...], ...], Field(min_length=1)]
    thresholds: Annotated[tuple[float, ...], Field(min_length=1)]
    recalibrations: tuple[Recalibration | None, ...] = ()
    answers: tuple[AnswerSteps, ...] = ()
    scoring: Scoring
    out_of_fold: Annotated[tuple[Evaluation, ...], Field(min_length=1)]
    corrected: CorrectedF1
    corrected_each: Annotated[tuple[CorrectedF1, ...], Field(min_length=1)]
    test_looks: tuple[TestLook, ...] = ()
    tied: tuple[TiedTrial, ...]
    preferred_simple: bool
    all_positive_f1: Share
    num_trials: int
    history: History = History()
    weights: UsedWeights
    statistics: PixelStatistics
    seed: int
    folds: Annotated[int, Field(ge=1)]
    repeats: Annotated[int, Field(ge=1)]
    folds_by: str | None = None
    versions: dict[str, str]

    @model_validator(mode="after")
    def _check_findings(self) -> "Winner":
        """Each finding has its part, and each team is of members."""
        each = (self.teams, self.thresholds, self.out_of_fold, self.corrected_each)
        if any(len(one) != len(self.findings) for one in each):
            raise ValueError("teams, thresholds and metrics must be one per finding")
        if self.recalibrations and len(self.recalibrations) != len(self.findings):
            raise ValueError("recalibrations must be one per finding")
        if self.answers and len(self.answers) != len(self.findings):
            raise ValueError("answers must be one per finding")
        if {trial for team in self.teams for trial in team} != {one.trial for one in self.members}:
            raise ValueError("the members must be those of the teams")
        return self

    @property
    def best(self) -> Member:
        """The first member."""
        return self.members[0]

    @property
    def test(self) -> TestResult | None:
        """Metrics of the first look at the test rows; no choice could know of them."""
        return self.test_looks[0].result if self.test_looks else None

    @property
    def promised_to(self) -> str:
        """Who the expected F1 is of."""
        return f"new patients{f' of another {self.folds_by}' if self.folds_by else ''}"

    @property
    def own_look(self) -> TestLook | None:
        """The look that judged these members at these thresholds, if there was one."""
        trials = tuple(member.trial for member in self.members)
        same = (
            look
            for look in self.test_looks
            if (look.trials, look.thresholds) == (trials, self.thresholds)
        )
        return next(same, None)

    @property
    def sees_columns(self) -> bool:
        """Whether the head of a member sees covariates of the table beside the image."""
        return any(member.config.covariates for member in self.members)

    @property
    def needs_table(self) -> bool:
        """Whether new images must be listed in a table: with their views, or covariates."""
        return self.sees_columns or self.best.config.views > 1

    def without_folders(self) -> "Winner":
        """The same winner without the folders of weights and runs, which tell of a machine."""
        members, tied = (
            tuple(
                one.model_copy(update={"config": one.config.without_folders()})
                for one in candidates
            )
            for candidates in (self.members, self.tied)
        )
        return self.model_copy(
            update={
                "members": members,
                "tied": tied,
                "weights": self.weights.without_folders(),
                "history": self.history.without_folders(),
            }
        )

    def decide(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """What is predicted positive of scores (..., num_findings), of that shape."""
        return decide(scores, self._thresholds, exclusive=self.scoring.exclusive)

    def evaluate(self, scored: Scored) -> tuple[Evaluation, ...]:
        """Metrics of each finding at its threshold."""
        return evaluate(scored.labels, scored.scores, self._thresholds, self.scoring)

    @property
    def f1_name(self) -> str:
        """What the F1 that is reported is called: of one finding, or an average over several."""
        if self.findings.is_one:
            return "F1"
        return f"{self.scoring.f1_average} F1 of {len(self.findings)} {self.findings.kinds}"

    @property
    def f1(self) -> Metric:
        """The F1 over the findings that is reported, at the thresholds."""
        return f1_at(self._thresholds, self.scoring)

    def metrics(self, operating_point: float) -> dict[str, Metric]:
        """The metrics of each finding that are reported, at the thresholds; see `metrics_at`."""
        return metrics_at(self._thresholds, self.scoring, operating_point)

    @property
    def _thresholds(self) -> Thresholds:
        return np.array(self.thresholds, np.float32)

    def out_of_fold_scores(self, run: Path) -> NDArray[np.float32]:
        """Out-of-fold scores (num_exams, num_findings) of the teams; NaN where never scored.

        Raises:
            InputError: If the scores of a member are missing or damaged.
        """
        return self.recalibrated(self.raw_out_of_fold_scores(run))

    def raw_out_of_fold_scores(self, run: Path) -> NDArray[np.float32]:
        """The same before they were recalibrated."""
        by_member = np.stack([read_scores(run, member.trial) for member in self.members])
        return scores_of_teams(by_member, self.team_rows)

    def team_scores(self, by_member: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (..., num_findings) of each finding's team.

        Args:
            by_member: (num_members, ..., num_findings).
        """
        return self.recalibrated(scores_of_teams(by_member, self.team_rows))

    def recalibrated(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (..., num_findings) of the raw ones, of that shape."""
        return recalibrated(raw, self.recalibrations, self.thresholds)

    @property
    def team_rows(self) -> list[list[int]]:
        """For each finding the rows of its team among the members, ascending."""
        rows = {member.trial: row for row, member in enumerate(self.members)}
        return [sorted(rows[trial] for trial in team) for team in self.teams]

    def load_weights(self) -> Weights:
        """The weights that the members' bodies start from.

        Raises:
            InputError: If weights are missing, or are no longer those of the search.
        """
        encoders = dict.fromkeys(str(member.config.backbone) for member in self.members)
        then = self.weights.fingerprints
        return weights_as_then(self.weights.kind, {one: then[one] for one in encoders})


def weights_as_then(
    kind: str, then: Mapping[str, str], encoders: Sequence[str] | None = None
) -> Weights:
    """The weights of some encoders, with the fingerprints that they had in the search.

    Args:
        kind: What `--weights` named.
        then: Fingerprint of each encoder, as far as the search kept it.
        encoders: Encoders that are needed; all of these if not given. One whose fingerprint was
            not kept is not compared.

    Raises:
        InputError: If weights are missing, or are no longer those of the search.
    """
    weights = find_weights(kind, [*(then if encoders is None else encoders)])
    changed = [
        f"the weights of {encoder} from {weights.start} have changed since the search "
        f"(then {then[str(encoder)]}, now {now}); put the old ones back"
        for encoder, now in weights.fingerprints.items()
        if now != then.get(str(encoder), now)
    ]
    if changed:
        raise InputError(*changed)
    return weights


def digest_of(winner: Winner, cohort: Cohort) -> str:
    """Names a winner and its cohort: what was found out about another one is no longer true."""
    chosen = winner.model_dump_json(include={"teams", "thresholds", "num_trials", "corrected"})
    return digest(chosen + cohort.digest)


def save_winner(winner: Winner, run: Path) -> None:
    """Write `winner.json` into a run folder."""
    write_text(winner_file(run), winner.model_dump_json(indent=2) + "\n")


def read_winner(run: Path, findings: Findings | None = None) -> Winner:
    """Read `winner.json` of a folder.

    Args:
        run: A run folder, or one of an exported team.
        findings: What is asked of each examination, where no cohort is there to say so.

    Raises:
        InputError: If the folder has no winner, or one that this version of cxr cannot read.
    """
    file = winner_file(run)
    if not file.is_file():
        raise InputError(f"RUN must be the folder of a search with a winner; there is no {file}")
    try:
        return Winner.model_validate_json(_as_of_today(file.read_bytes(), run, findings))
    except ValidationError as error:
        if any(detail["loc"] == ("format",) for detail in error.errors()):
            raise InputError(
                f"another version of cxr wrote {file}: predict with that version, or search again"
            ) from error
        raise InputError(
            f"{file} is damaged ({explain(error)[0]}): write it again with cxr-search --resume "
            f"{as_typed(run)}"
        ) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from error


def _as_of_today(text: bytes, run: Path, findings: Findings | None) -> bytes:
    """The record in this version; what is damaged stays as it is, and is refused as such.

    Raises:
        InputError: If the cohort, which alone names the finding of an older record, is damaged.
    """
    try:
        content = json.loads(text)
        team, corrected = [one["trial"] for one in content["members"]], content["corrected"]
    except (ValueError, KeyError, TypeError):
        return text
    if content.get("format") == _RAW:
        return json.dumps({**content, "format": FORMAT}).encode()
    if content.get("format") != _OF_ONE_FINDING:
        return text
    now = {"format": FORMAT, "teams": [team], "corrected_each": [corrected]}
    asked = dataclasses.asdict(findings or Cohort.load(run).findings)
    return json.dumps({**content, **now, "findings": asked}).encode()
