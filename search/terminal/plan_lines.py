"""What a user should know of a search before its first trial."""

from collections.abc import Iterator

from search.options.options import PresetName, SearchOptions
from search.plan.plan import SearchPlan
from search.space.presets import overrides, read_preset, with_defaults
from search.space.settings import AUTO
from search.terminal.growth import change_line
from trainable.backbones.start import Published, Random, Start
from trainable.backbones.weights import Weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.counts import count_lines
from trainable.cohort.splits import SIDES
from trainable.errors import listing, num_of
from trainable.evaluation.covariates import suspicious_columns
from trainable.evaluation.metrics import all_positive_f1
from trainable.evaluation.scoring import Scoring
from trainable.features.passes import PERCENTS
from trainable.files import size_text
from trainable.training.steps import few_steps_note

_MUCH_MEMORY = 1 << 30


def plan_lines(plan: SearchPlan) -> Iterator[str]:
    """The images, the trials and the weights, a line each, and notes of what looks odd."""
    if plan.options.space.preset is not None:
        yield f"preset {plan.options.space.preset}: {plan.space.experiments.about}"
        yield from changed_lines(plan.options.space.preset, plan.options)
    for why, titles in plan.space.experiments.left_out.items():
        yield f"left out, since {why}: {'; '.join(titles)}"
    yield from cohort_lines(plan.cohort, plan.task.scoring)
    if plan.warm_start is not None:
        yield from change_line(plan.warm_start.search, plan.cohort.grouping.unit)
    task = plan.task
    suspicious = suspicious_columns(
        plan.cohort.covariates, task.data.labels, task.folds, plan.cohort.findings
    )
    yield from (f"note: {note}" for note in (*plan.cohort.notes, *plan.odd_images, *suspicious))
    epochs = [number for number in plan.space.values("epochs") if number != AUTO] or [5]
    batch_sizes = plan.space.values("batch_size")
    least, most = min(epochs), max(epochs)
    yield (
        f"{num_of(plan.num_trials, 'trial')}, each scored {_scoring(plan)}; {_squares(plan)}, "
        f"{least if least == most else f'{least} to {most}'} "
        f"epoch{'s' * (most > 1)}, batches "
        f"of {plan.space.describe('batch_size')}"
    )
    yield from _weights_lines(plan.task.weights)
    yield from (f"note: {note}" for note in plan.task.weights.notes)
    yield _passes_line(plan)
    if plan.task.race and plan.passes:
        first, then = PERCENTS
        yield (
            f"race: a network is run on {first} % of the patients first, then on {then} %; one "
            "that is behind the others there is not run on all (--race no runs each on all)"
        )
    if plan.by_place_bytes:
        yield (
            f"note: pools by place ({listing(sorted(plan.task.by_place))}) add up to "
            f"{size_text(plan.by_place_bytes)} to the features in the cache"
        )
    if plan.trial_bytes > _MUCH_MEMORY:
        yield (
            f"note: a trial needs up to {size_text(plan.trial_bytes)} of memory for features; as "
            "many trials run at a time as have room"
        )
    few = min(len(fold.train) for fold in plan.task.folds)
    note = few_steps_note(few, max(batch_sizes), least)
    if note:
        yield f"note: {note}"


def _passes_line(plan: SearchPlan) -> str:
    """How many forward passes the search can need, and of how many images."""
    if not plan.passes:
        return "frozen networks: the features of all of them are stored, and take no time"
    passes = num_of(plan.num_passes, "pass", "passes")
    return (
        f"frozen networks: at most {passes} {_images_run(plan)}; "
        "to limit them, use --max-passes or fewer --backbones"
    )


def _images_run(plan: SearchPlan) -> str:
    """Of which images the passes are."""
    num_images, num_passes = len(plan.task.data.paths), len(plan.passes)
    new = [count for count in plan.passes.values() if count < num_images]
    if not new:
        return f"of all {num_images} images"
    some = f"{max(new)} of {num_images} images {'is' if max(new) == 1 else 'are'} new"
    if min(new) < max(new):
        some = f"up to {some}"
    if len(new) == num_passes:
        return f"({some}; the features of the others are stored)"
    return f"(in {len(new)} of {num_passes} of the space, {some}; in the others, all of them)"


def _weights_lines(weights: Weights) -> Iterator[str]:
    """The networks that start from the same weights, a line each."""
    by_start: dict[Start, list[str]] = {}
    for encoder in weights.encoders:
        by_start.setdefault(weights.start_of(encoder), []).append(encoder.short_name)
    words: dict[Start, str] = {Published(): "ImageNet weights", Random(): "random weights"}
    for start, networks in by_start.items():
        yield f"backbones from {words.get(start, start)}: {', '.join(networks)}"


def _squares(plan: SearchPlan) -> str:
    """The sizes of the images, and how they become squares where that is not by stretching."""
    sizes = f"{listing(sorted({size for size, _ in plan.pixels}))} px"
    resize = plan.space.describe("resize")
    return sizes if resize == "stretch" else f"{sizes} ({resize})"


def changed_lines(name: PresetName, options: SearchOptions) -> Iterator[str]:
    """One line on how the settings differ from the document of a preset, or none."""
    preset, own = read_preset(name), with_defaults(SearchOptions.of(preset=name))
    changes = {
        **{one: (options.value(one), own.value(one)) for one in ("weights", *preset.options)},
        **{one: (value, preset.settings[one]) for one, value in overrides(options).items()},
    }
    changed = [
        f"{one.replace('_', ' ')} {_text(now)} in place of {_text(documented)}"
        for one, (now, documented) in changes.items()
        if now != documented
    ]
    if changed:
        yield f"changed by options: {'; '.join(changed)}"


def _text(value: object) -> str:
    if value is None:
        return "(the given split, or folds)"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def cohort_lines(cohort: Cohort, scoring: Scoring) -> Iterator[str]:
    """How many images, patients and findings there are, and what F1 needs no model."""
    labels, unit, findings = cohort.labels, cohort.grouping.unit, cohort.findings
    there = f"{len(labels)} {unit}s of {cohort.manifest['patient'].nunique()} patients"
    least = f"{all_positive_f1(labels, scoring):.3f}"
    if findings.is_one:
        positive = int(labels.sum())
        yield f"{there}, {positive} positive; calling every {unit} positive scores F1 {least}"
        return
    kind = "classes that exclude each other" if findings.exclusive else "findings"
    called = "of the best class" if findings.exclusive else "positive for every finding"
    yield (
        f"{there}, {len(findings)} {kind}; calling every {unit} {called} scores "
        f"{scoring.f1_average} F1 {least}"
    )
    yield from count_lines(findings, labels, cohort.patients, unit)


def _scoring(plan: SearchPlan) -> str:
    if plan.cohort.has_one_fold:
        return f"on one split: {_split_text(plan.cohort)}"
    repeats, by = plan.num_repeats, plan.cohort.left_out_by
    draws = f", drawn {repeats} times" if repeats > 1 else ""
    if by is not None:
        draws = f", each without one {by.name} of {listing(sorted({*by} - {''}))}"
    num_folds = len(plan.task.folds) // repeats
    if plan.cohort.has_test:
        return (
            f"out of fold on {num_folds} folds of train{draws}: {_split_text(plan.cohort)} "
            "for the end"
        )
    return f"out of fold on {num_folds} folds{draws}"


def _split_text(cohort: Cohort) -> str:
    """How many images each side has."""
    table = cohort.manifest
    parts = {side: table.loc[table["split"] == side] for side in SIDES}
    is_one = cohort.findings.is_one
    return ", ".join(
        f"{side} {len(part)} images" + (f" ({part['label'].sum()} positive)" if is_one else "")
        for side, part in parts.items()
        if len(part)
    )
