"""The folder of an exported team: what is written, and how it is read on another machine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.model_file import FinalModel, load_model, save_model
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import Grouping
from trainable.cohort.label_rule import LabelRule, findings_of
from trainable.config import TrialConfig
from trainable.errors import InputError, flag, why_unread
from trainable.images.preprocessing import NormalizationName, PixelStatistics, Resize
from trainable.images.scale import Scale
from trainable.run.places import trial_name
from trainable.run.winner import Winner, read_winner, save_winner

ABOUT = "export.json"
GRAPH = "model.onnx"
_MODELS = "models"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class PreprocessingRecord(_Record):
    """What is done to an image before the networks of a trial see it.

    Attributes:
        trial: Number of the trial in the search.
        image_size: Edge of the square images, in pixels.
        resize: How an image becomes a square.
        normalization: Name of the normalization.
        scale: What is subtracted from each channel's grey values (0 to 1), and what they are
            divided by; None where both are those of each image.
    """

    trial: int
    image_size: int
    resize: Resize
    normalization: NormalizationName
    scale: Scale | None

    @classmethod
    def of(
        cls, trial: int, config: TrialConfig, statistics: PixelStatistics
    ) -> "PreprocessingRecord":
        """The preprocessing of a configuration, in numbers."""
        seen_as = config.preprocessing
        channels = len(seen_as.scale.mean)
        in_numbers: Mapping[NormalizationName, Scale | None] = {
            "none": Scale((0.0,) * channels, (1.0,) * channels),
            "cohort": Scale((statistics.mean,) * channels, (statistics.std,) * channels),
            "image": None,
        }
        return cls(
            trial=trial,
            image_size=seen_as.square.size,
            resize=seen_as.square.resize,
            normalization=seen_as.normalization,
            scale=in_numbers.get(seen_as.normalization, seen_as.scale),
        )


class GraphCheck(_Record):
    """What `model.onnx` was compared with.

    Attributes:
        num_images: Number of images that were scored by both.
        largest_difference: Largest difference between two scores of an image.
    """

    num_images: int
    largest_difference: float


class Export(_Record):
    """What an exported team needs beside `winner.json` and its models.

    Attributes:
        format: Version of the file.
        classes: What the user calls the negative and the positive class; of several findings or
            classes, their names.
        label_rule: How labels of one finding are read; None in a folder of an earlier version.
        label_rules: How labels of several findings, or classes, are read.
        thresholds: Their thresholds, by name.
        grouping: Grouping of images into examinations.
        found_by: Columns of the user's tables by what they hold.
        preprocessing: What is done to images for each member.
        trained_on: SHA-256 of each image file that the models were trained on; none if not asked
            for, since who has a file could see whether its patient was in the training.
        graph: The check of `model.onnx`; None without one.
        versions: Versions of the libraries that a score depends on.
    """

    format: Literal[1] = 1
    classes: tuple[str, ...]
    label_rule: LabelRule | None = None
    label_rules: tuple[LabelRule, ...] = ()
    thresholds: dict[str, float] = {}
    grouping: Grouping
    found_by: dict[str, str]
    preprocessing: Annotated[tuple[PreprocessingRecord, ...], Field(min_length=1)]
    trained_on: tuple[str, ...]
    graph: GraphCheck | None
    versions: dict[str, str]


def write_models(folder: Path, winner: Winner, models: Sequence[FinalModel]) -> None:
    """Write the winner and its models into a folder."""
    save_winner(winner, folder)
    for member, model in zip(winner.members, models, strict=True):
        save_model(model, _model_folder(folder, member.trial), "--out")


def write_about(folder: Path, export: Export) -> None:
    """Write the rest, which makes the folder one that `is_export`."""
    of_others = {"label_rule"} if export.label_rules else {"label_rules", "thresholds"}
    (folder / ABOUT).write_text(export.model_dump_json(indent=2, exclude=of_others) + "\n")


def is_export(folder: Path) -> bool:
    """Whether a team was exported to this folder."""
    return (folder / ABOUT).is_file()


def require_search(folder: Path, options: Iterable[str]) -> None:
    """Refuse options that are of no use to an exported team.

    Raises:
        InputError: If the folder has one; a sentence for each option.
    """
    if is_export(folder):
        problems = [
            f"{flag(name)} needs the folder of a search; {folder} is an exported team, whose "
            "models are trained: drop the option"
            for name in sorted(options)
        ]
        if problems:
            raise InputError(*problems)


def read_team(folder: Path) -> tuple[Winner, Cohort, list[FinalModel]]:
    """The winner of a run or an exported team, its cohort, and the models of an exported one.

    Raises:
        InputError: If a file is missing, damaged, or of another version of cxr.
    """
    if is_export(folder):
        return read_export(folder)
    return read_winner(folder), Cohort.load(folder), []


def read_export(folder: Path) -> tuple[Winner, Cohort, list[FinalModel]]:
    """The winner, what is known of its cohort, and its models.

    Raises:
        InputError: If a file is missing, damaged, or of another version of cxr.
    """
    file = folder / ABOUT
    try:
        found = json.loads(file.read_bytes())
        if isinstance(found, dict) and found.get("format") != 1:
            raise InputError(
                f"another version of cxr wrote {file}: predict with that version, or export again"
            )
        export = Export.model_validate(found)
    except (ValidationError, ValueError, OSError) as error:
        raise InputError(
            f"{file} cannot be read ({why_unread(error)}): export the team again"
        ) from error
    rules = export.label_rules or (export.label_rule or LabelRule(export.classes),)
    try:
        winner = read_winner(folder, findings_of(rules))
    except InputError as error:
        raise InputError(
            f"winner.json in {folder} is missing, damaged, or of another version of cxr: export "
            "the team again"
        ) from error
    models = [
        load_model(_model_folder(folder, member.trial), "export the team again")
        for member in winner.members
    ]
    images = pd.DataFrame({"sha256": export.trained_on, "split": ""}, dtype=str)
    cohort = Cohort(images, rules, grouping=export.grouping, found_by=export.found_by)
    return winner, cohort, models


def _model_folder(folder: Path, trial: int) -> Path:
    return folder / _MODELS / trial_name(trial)
