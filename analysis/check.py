"""Everything that a prediction needs, found and checked before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.answers import find_answers
from analysis.elsewhere.local import check_enough, check_site
from analysis.elsewhere.site import OF_THE_SEARCH, Site, read_site, refuse_at_a_site
from analysis.export.folder import read_team, require_search
from analysis.guard.familiarity import REASON, Familiarity
from analysis.heat_maps import OPTION as HEAT_MAPS
from analysis.heat_maps import check_heat_maps, room_for
from analysis.how_sure.asked import Asked
from analysis.model_file import FinalModel, seen_columns
from analysis.new_images import NewImages, find_new_images
from analysis.options import PredictOptions
from analysis.retrain import Retraining
from analysis.true_labels import TrueLabels, read_true_labels, table_of_labels
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import perceptual_hashes_of
from trainable.cohort.words import same_value
from trainable.errors import Checks, InputError, listing
from trainable.evaluation.answers import Answers, Promise
from trainable.files import try_to_write
from trainable.images.outliers import describe_unlike, odd_images
from trainable.images.perceptual_hash import (
    HOW_SURE,
    SURELY_ALIKE,
    bits_apart,
    find_alike,
    perceptual_hashes_of_files,
)
from trainable.images.pixels import load_looks, load_pixels, load_surveys, pixels_name
from trainable.reading.moved_images import find_images
from trainable.run.places import ANOTHER_RUN
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore

_ROW_BYTES = 400
"""Room per row of the two files of predictions, at most."""


@dataclass(frozen=True)
class Checked:
    """Everything that a prediction needs, found and checked.

    Attributes:
        run: Run folder of the search, or a folder that a team was exported to.
        winner: Winner of the search, or as recalibrated to a site.
        cohort: Cohort of the search; without its images where the team was exported.
        models: Models of an exported team; none where those of the run are to be found.
        new: Images to predict.
        truth: True labels, where they were given.
        answers: What each score is answered by, per finding; none if nothing is promised.
        shared: What the new images share with the training, a phrase each.
        unlike: How the new images as a whole are unlike those of the training, or may be copies of
            them, a sentence each.
        odd: What rules on pixels say of each image.
        asked: What `--how-sure` needs, where it was given.
        site: Where the winner was recalibrated to, if it was.
        familiarity: What the features say of each image; None before they are computed.
    """

    run: Path
    winner: Winner
    cohort: Cohort
    models: list[FinalModel]
    new: NewImages
    truth: TrueLabels | None
    answers: tuple[Answers, ...]
    shared: tuple[str, ...]
    unlike: tuple[str, ...]
    odd: Mapping[str, NDArray[np.bool_]]
    asked: Asked | None = None
    site: Site | None = None
    familiarity: Familiarity | None = None

    def without(self, rows: NDArray[np.bool_]) -> "Checked":
        """The same with some rows (num_rows,) refused, as they are unfamiliar."""
        truth = None if self.truth is None else self.truth.without(rows)
        return replace(self, new=self.new.without(rows, REASON), truth=truth)


def check(run: Path, options: PredictOptions, store: ArrayStore) -> Checked:
    """Check everything before anything is trained.

    Raises:
        InputError: Naming every problem found.
        DiskError: If a disk refuses what will be written.
    """
    checks = Checks()
    _check_outputs(options, checks)
    found = checks.attempt(lambda: _read_team(run, options))
    if found is None:
        raise InputError(*checks.problems)
    (winner, cohort, models), site = found
    if options.labelled_images is not None:
        labelled, option = options.labelled_images.expanduser(), "--labelled-images"
        cohort = checks.attempt(partial(find_images, cohort, labelled, option)) or cohort
    answers = checks.attempt(
        lambda: find_answers(winner, Promise(options.promise_npv, options.promise_ppv))
    )
    if options.heat_maps is not None:
        check_heat_maps(options.heat_maps.expanduser(), winner, checks)
    images, columns = options.images.expanduser(), seen_columns(winner, cohort, models)
    leave_out = options.unusable == "drop"
    new = checks.attempt(
        lambda: find_new_images(images, options.template, cohort, columns, leave_out=leave_out)
    )
    if new is None:
        if options.labels is not None:
            checks.attempt(partial(table_of_labels, options.labels.expanduser()))
        raise InputError(*checks.problems)
    retraining = Retraining(run, winner, cohort, options.seeds, store, options.device)
    _try_disks(options, new, retraining, keeps_models=not (models or retraining.is_kept))
    seen = checks.attempt(lambda: look_at_new(new, winner, store))
    asked = checks.attempt(
        lambda: Asked.of(options.how_sure, run, winner, cohort, store, options.device)
    )
    truth = checks.attempt(lambda: _read_truth(options, new, cohort, winner))
    leak = Leakage()
    if seen is not None:
        leak = leakage(new, seen.perceptual_hashes, truth.names if truth else None, cohort)
    if options.labels is not None:
        checks.add(*(f"--labels must leave out {one}" for one in leak.shared))
    checks.raise_if_any()
    assert seen is not None
    return Checked(
        run,
        winner,
        cohort,
        models,
        new,
        truth,
        answers or (),
        leak.shared,
        (*seen.unlike, *leak.notes),
        seen.odd,
        asked,
        site,
    )


def _try_disks(
    options: PredictOptions, new: NewImages, retraining: Retraining, *, keeps_models: bool
) -> None:
    """Find out whether all that will be written has room.

    Raises:
        DiskError: If a disk refuses.
    """
    try_to_write(options.out.expanduser().parent, "--out", _ROW_BYTES * len(new.table))
    if options.heat_maps is not None:
        maps, room = options.heat_maps.expanduser(), room_for(retraining.winner, len(new.paths))
        try_to_write(maps.parent, HEAT_MAPS, room)
    if keeps_models or options.recalibrate_here is not None:
        try_to_write(retraining.run, ANOTHER_RUN)


def _check_outputs(options: PredictOptions, checks: Checks) -> None:
    for file in options.outputs:
        if file.is_dir():
            checks.add(f"--out must name a file; {file} is a folder")
        elif file.exists() and not options.overwrite:
            checks.add(f"{file} exists already; name another file with --out, or add --overwrite")


def _read_team(
    run: Path, options: PredictOptions
) -> tuple[tuple[Winner, Cohort, list[FinalModel]], Site | None]:
    """As `read_team`, and the site that the winner is recalibrated to.

    Options that are of no use to an exported team, or at a site, are refused.
    """
    require_search(run, options.model_fields_set & {"seeds", "labelled_images", "how_sure"})
    winner, cohort, models = read_team(run)
    checks, name = Checks(), options.recalibrate_here
    if name is not None:
        check_site(run, name, winner, options.labels is not None, checks)
    site = None
    if options.site is not None:
        asked = options.model_fields_set & {*OF_THE_SEARCH, "recalibrate_here"}
        checks.attempt(lambda: refuse_at_a_site(asked))
        site = checks.attempt(partial(read_site, run, options.site, winner))
    checks.raise_if_any()
    return (site.of(winner) if site else winner, cohort, models), site


def _read_truth(
    options: PredictOptions, new: NewImages, cohort: Cohort, winner: Winner
) -> TrueLabels | None:
    """The true labels, if there are any, and enough of them for what is asked."""
    if options.labels is None:
        return None
    truth = read_true_labels(options.labels.expanduser(), new, cohort)
    if options.recalibrate_here is not None:
        check_enough(truth.labels, truth.patients, winner)
    return truth


class SeenImages(NamedTuple):
    """What the new images look like.

    Attributes:
        perceptual_hashes: (num_images, 32).
        unlike: How they are unlike those of the training as a whole, a sentence each.
        odd: How each of them is, see `odd_images`.
    """

    perceptual_hashes: NDArray[np.uint8]
    unlike: tuple[str, ...]
    odd: Mapping[str, NDArray[np.bool_]]


def look_at_new(new: NewImages, winner: Winner, store: ArrayStore) -> SeenImages:
    """Decode the new images as all members need them, and look at them.

    Raises:
        InputError: Naming every image that cannot be read.
    """
    training = winner.statistics
    surveys = load_surveys(new.paths, new.hashes, store)
    pixels = {
        square: load_pixels(new.paths, new.hashes, square, store, training.limits)
        for square in {member.config.preprocessing.square for member in winner.members}
    }
    sharpest = max(pixels)
    name = pixels_name(new.hashes, sharpest, training.limits)
    looks = load_looks(pixels[sharpest], name, store)
    unlike = describe_unlike(new.images, surveys, looks, training)
    hashes = perceptual_hashes_of_files(new.paths, new.hashes, pixels, store, training.limits)
    return SeenImages(hashes, tuple(unlike), odd_images(surveys, looks, training))


@dataclass(frozen=True)
class Leakage:
    """What the new images share with the images of the training.

    Attributes:
        shared: What they surely share, a phrase each.
        notes: What may be copies in another contrast, a sentence each. Among many images some of
            these are none, so that they are named, and not refused.
    """

    shared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def leakage(
    new: NewImages, perceptual_hashes: NDArray[np.uint8], patients: pd.Series | None, cohort: Cohort
) -> Leakage:
    """Look for the images and the patients of the training among the new images.

    Args:
        new: New images, with their patients where those are known.
        perceptual_hashes: (num_images, 32), perceptual hashes of the new images.
        patients: Patient of each row, as the table of labels has them; None if it has none.
        cohort: Cohort of the search.
    """
    trained_on, trained_hashes = _trained_on(cohort)
    is_same = np.isin(new.hashes, trained_on["sha256"])
    pairs = find_alike(perceptual_hashes, trained_hashes)
    apart = bits_apart(perceptual_hashes[pairs[:, 0]], trained_hashes[pairs[:, 1]])
    sure = pairs[apart <= SURELY_ALIKE]
    is_known = is_same | np.isin(np.arange(len(is_same)), sure[:, 0])
    found = [
        ("images that the model was trained on", np.asarray(new.images)[is_same].tolist()),
        (
            "images that look like images that the model was trained on",
            _alike(new, sure, is_same, trained_on),
        ),
        ("patients that the model was trained on", _patients(new, patients, trained_on)),
    ]
    copies = _alike(new, pairs, is_known, trained_on)
    notes = (
        f"new images may be copies, in another contrast, of images that the model was trained "
        f"on ({len(copies)}): {listing(copies)}. Their scores say little of new patients",
        HOW_SURE,
    )
    return Leakage(
        tuple(f"{what}: {listing(names)}" for what, names in found if names),
        notes if copies else (),
    )


def _trained_on(cohort: Cohort) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Rows of the training, and their perceptual hashes, if the search kept them."""
    rows = (cohort.manifest["split"] != "test").to_numpy()
    hashes = perceptual_hashes_of(cohort)
    return cohort.manifest[rows], hashes[rows] if len(hashes) else hashes


def _alike(
    new: NewImages,
    pairs: NDArray[np.int64],
    is_same: NDArray[np.bool_],
    trained_on: pd.DataFrame,
) -> list[str]:
    """Each new image that looks like one of the training, and that image."""
    twins = {image: trained for image, trained in pairs.tolist() if not is_same[image]}
    return [
        f"{new.images[image]} (like {trained_on['image'].iloc[trained]})"
        for image, trained in twins.items()
    ]


def _patients(new: NewImages, patients: pd.Series | None, trained_on: pd.DataFrame) -> list[str]:
    columns = [column for column in ("patient", "own_patient") if column in trained_on]
    trained = {same_value(patient) for column in columns for patient in trained_on[column]}
    known = (*new.patients, *(() if patients is None else (patients,)))
    return sorted({patient for one in known for patient in one if same_value(patient) in trained})
