"""What the best trial looks at: a few X-rays under heat maps of models that never saw the patient.

No model of a fold is kept, so those that are needed are fitted again. With a frozen body whose
features are stored that takes seconds.
"""

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.options.types import HeatMaps
from search.results.search_result import SearchResult
from trainable.backbones.layout import by_place
from trainable.cohort.cohort import Cohort
from trainable.device import own_device
from trainable.errors import InputError, listing, num_of
from trainable.features.passes import FrozenPass
from trainable.files import as_typed
from trainable.model.heat_map import has_heat_map
from trainable.reading.moved_images import find_images, require_unchanged
from trainable.report.heat_map_picture import as_svg, draw_all, stacked
from trainable.report.page import Figure, Section
from trainable.run.winner import Member
from trainable.store.arrays import ArrayStore
from trainable.training.heads import HEADS
from trainable.trial.left_out import explain_left_out
from trainable.trial.stored import num_to_run
from trainable.trial.task import Materials, TrainingData

TITLE = "What it looks at"
_OPTION = "--labelled-images"


def heat_map_section(
    result: SearchResult, asked: HeatMaps, labelled_images: Path | None = None
) -> Section:
    """The surest right and wrong examinations and the nearest to the threshold, as heat maps.

    Raises:
        InputError: If they are asked for, and the images or the weights are not as in the search.
    """
    if asked == "no":
        return Section(TITLE, ["Left out, as was asked."])
    try:
        if labelled_images is not None:
            cohort = find_images(result.cohort, labelled_images.expanduser(), _OPTION)
            result = dataclasses.replace(result, cohort=cohort)
        names = result.winner.findings.names
        parts = [_of_finding(result, asked, number) for number in range(len(names))]
        if len(parts) == 1:
            return parts[0]
        choices = [
            dataclasses.replace(part, title=name) for name, part in zip(names, parts, strict=True)
        ]
        return Section(TITLE, choices=choices)
    except InputError as error:
        if asked == "yes":
            raise
        return Section(TITLE, [f"Not shown: {'; '.join(error.problems)}."])


def _of_finding(result: SearchResult, asked: HeatMaps, finding: int) -> Section:
    """The section for one finding or class."""
    member = _shown_member(result, finding)
    if member is None:
        return Section(
            TITLE, ["Not shown: no trial of the team sees places of images, and nothing else."]
        )
    shown = _Shown(result, member, finding)
    if asked == "auto" and not shown.takes_seconds:
        return Section(TITLE, [_costly(result, member)])
    return Section(TITLE, list(_sentences(result, member, finding)), shown.figures())


def num_maps(section: Section) -> int:
    """Number of examinations whose heat maps a section shows."""
    return len(section.figures) + sum(map(num_maps, section.choices))


def explanation(result: SearchResult, section: Section) -> str:
    """What the section says of the model, in a sentence for a paper; empty if it shows no map."""
    if section.choices:
        names = [part.title for part in section.choices if part.figures]
        if not names:
            return ""
        return f"Heat maps, for {listing(names)}, of models that never saw the patient."
    member = _shown_member(result, 0)
    if member is None or not section.figures:
        return ""
    how = (
        "the log-odds of its logistic head, place by place"
        if HEADS[member.config.head].is_exact
        else "Grad-CAM with both signs (the gradient of the log-odds times the activations, captum)"
    )
    return (
        f"Heat maps of {num_of(len(section.figures), result.cohort.grouping.unit)}, of a model "
        "of trial "
        f"{member.trial} that never saw the patient: {how}."
    )


def examples(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    called: NDArray[np.bool_],
    threshold: float,
) -> dict[str, int]:
    """The examinations to show, by what they are an example of.

    Args:
        labels: (num_exams,), 1 positive, 0 negative.
        scores: (num_exams,), out of fold; NaN where not scored or not known.
        called: (num_exams,), whether predicted positive.
        threshold: Threshold of the scores.
    """
    kinds = {
        "Surest right positive": (labels == 1) & called,
        "Surest missed positive": (labels == 1) & ~called,
        "Surest right negative": (labels == 0) & ~called,
        "Surest false alarm": (labels == 0) & called,
    }
    found = {}
    for kind, is_kind in kinds.items():
        rows = np.flatnonzero(is_kind & ~np.isnan(scores))
        if len(rows):
            found[kind] = int(rows[np.abs(scores[rows] - threshold).argmax()])
    nearest = int(np.nanargmin(np.abs(scores - threshold)))
    return found if nearest in found.values() else found | {"Nearest to the threshold": nearest}


def _shown_member(result: SearchResult, finding: int) -> Member | None:
    """The best trial of the finding's team that has heat maps."""
    winner = result.winner
    team = (one for one in winner.members if one.trial in winner.teams[finding])
    return next((one for one in team if has_heat_map(one.config)), None)


def _costly(result: SearchResult, member: Member) -> str:
    why = (
        f"trial {member.trial} trains stages, and is trained again for them"
        if member.config.unfreeze
        else f"the features of trial {member.trial} are no longer stored, and all "
        f"{len(result.cohort.manifest):,} images go through its network again"
    )
    return f"Not shown, since {why}: cxr-report {as_typed(result.run)} --heat-maps yes"


def _sentences(result: SearchResult, member: Member, finding: int) -> Iterator[str]:
    config, num_members = member.config, len(result.winner.teams[finding])
    speaks_for, against = _sides(result.cohort, finding)
    if result.is_demo:
        yield "These are drawn phantoms of X-rays."
    else:
        yield "These are X-rays of patients: think of that before you send this page."
    yield (
        "Beside each X-ray, as the network sees it, are colours. Orange: the place speaks for "
        f"{speaks_for}. Blue: it speaks {against}. All pictures have one scale."
    )
    of_team = f", one of the {num_members} of the team" if num_members > 1 else ""
    yield (
        f"The model is of trial {member.trial}{of_team}: {config.backbone.short} to "
        f"{config.cut}, {config.head} head. It was trained without this patient."
        + (" The other trials may look elsewhere." if num_members > 1 else "")
    )
    summed = ", summed over the views," if config.views > 1 else ""
    yield (
        f"The map is exact: the mean over all places{summed} is the log-odds of its model's score."
        if HEADS[config.head].is_exact
        else "The map is the slope of the log-odds of its model's score times the activations, "
        "which holds near this X-ray alone (Grad-CAM, with both signs)."
    )
    yield (
        "A map says what this model uses. It does not say that the model is right, nor where a "
        "disease is."
    )


def _sides(cohort: Cohort, finding: int) -> tuple[str, str]:
    """What orange speaks for, and blue."""
    if cohort.findings.is_one:
        negative, positive = cohort.classes
        return f"{positive!r} (positive)", f"for {negative!r}"
    return repr(cohort.findings.names[finding]), "against it"


@dataclasses.dataclass(frozen=True)
class _Shown:
    """The examples of a run, and the trial that is shown to look at them.

    Attributes:
        result: The run.
        member: The trial.
        finding: Number of the finding or class that is looked for.
    """

    result: SearchResult
    member: Member
    finding: int

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        return self.result.out_of_fold[:, self.finding]

    @cached_property
    def examples(self) -> dict[str, int]:
        labels = self.result.cohort.labels[:, self.finding]
        scores = np.where(labels >= 0, self.scores, np.float32(np.nan))
        called = self.result.winner.decide(self.result.out_of_fold)[:, self.finding]
        return examples(labels, scores, called, self.threshold)

    @property
    def threshold(self) -> float:
        return self.result.winner.thresholds[self.finding]

    @property
    def is_recalibrated(self) -> bool:
        recalibrations = self.result.winner.recalibrations
        return bool(recalibrations) and recalibrations[self.finding] is not None

    @cached_property
    def materials(self) -> Materials:
        options, winner = self.result.options.advanced, self.result.winner
        return Materials(
            TrainingData.of(self.result.cohort, winner.statistics),
            winner.load_weights(),
            ArrayStore(options.cache.expanduser(), options.cache_bytes),
            own_device(self.result.options.compute.own_device),
            by_place([self.member.config.pool]),
        )

    @cached_property
    def takes_seconds(self) -> bool:
        """Whether a head on stored features is all that is trained."""
        config = self.member.config
        body = config.backbone, config.cut, config.unfreeze
        frozen = FrozenPass.of(*body, config.preprocessing)
        return frozen is not None and not num_to_run(frozen, self.materials)

    def figures(self) -> list[Figure]:
        """A picture of each example, its views one below the other."""
        cohort, rows = self.result.cohort, list(self.examples.values())
        numbers = cohort.exam_images[rows]
        of_examples = cohort.manifest.iloc[numbers[numbers >= 0]]
        shown = dataclasses.replace(cohort, manifest=of_examples)
        require_unchanged(shown if self.takes_seconds else cohort, _OPTION)
        folds, seed = self.result.folds, self.result.winner.seed
        seen = explain_left_out(self.member.config, self.materials, folds, seed, rows, self.finding)
        pictures = list(draw_all(seen.images.pixels, seen.maps))
        found = []
        for (kind, row), views in zip(self.examples.items(), seen.exam_images, strict=True):
            places = views[views >= 0]
            svg = as_svg(stacked([pictures[place] for place in places]), kind)
            caption = self._caption(row, float(seen.maps[places].mean(axis=(1, 2)).sum()))
            found.append(Figure(kind, svg, caption))
        return found

    def _caption(self, row: int, log_odds: float) -> str:
        cohort, own = self.result.cohort, 1 / (1 + np.exp(-log_odds))
        name = cohort.exams[cohort.grouping.column].iloc[row]
        if cohort.grouping.views > 1:
            places = np.flatnonzero(cohort.exam_images[row] >= 0)
            name += f" ({', '.join(cohort.grouping.name(int(place)) for place in places)})"
        return (
            f"{name}, truly {self._truth(row)}. "
            f"Score of the winner {self.scores[row]:.3f} (threshold {self.threshold:.3f}), of the "
            f"model of this map {own:.3f}{', not recalibrated' if self.is_recalibrated else ''}."
        )

    def _truth(self, row: int) -> str:
        """What the examination is labelled."""
        cohort, labels = self.result.cohort, self.result.cohort.labels[row]
        if cohort.findings.is_one:
            return repr(cohort.classes[labels[0]])
        if cohort.findings.exclusive:
            return repr(cohort.findings.names[labels.argmax()])
        return "positive" if labels[self.finding] else "negative"
