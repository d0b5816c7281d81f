"""What a team needs to predict at another hospital: recalibrations and thresholds, in one file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from trainable.errors import InputError, did_you_mean, explain, flag
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.recalibration import Recalibration
from trainable.evaluation.transport import Drawn
from trainable.files import digest, write_text
from trainable.run.places import sites_folder
from trainable.run.winner import Winner

OPTION = "--recalibrate-here"
OF_THE_SEARCH = ("how_sure", "promise_npv", "promise_ppv")
"""What is said of the scores as the search has them."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class SiteFinding(BaseModel):
    """What is told of one finding there, by cross-validation by patient.

    Attributes:
        metrics: Each metric after the recalibration, by its name.
        drawn: Sensitivity, specificity, prevalence, and slope, constant and intercept of the
            scores: of all patients, then of each resample of them.
        tail: Share of the resampled values beyond each end of a 95 % CI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    metrics: dict[str, Estimate]
    drawn: tuple[tuple[float, float, float, float, float, float], ...]
    tail: float

    @classmethod
    def of(cls, metrics: Mapping[str, Estimate], drawn: Drawn) -> "SiteFinding":
        """What a file keeps of it, in six digits."""
        rates = drawn.sensitivity, drawn.specificity, drawn.prevalence
        rows = np.column_stack([*rates, drawn.lines]).round(6).tolist()
        return cls(metrics=dict(metrics), drawn=tuple(map(tuple, rows)), tail=drawn.tail)

    @property
    def as_drawn(self) -> Drawn:
        """The same as it was measured."""
        sensitivity, specificity, prevalence, *lines = np.array(self.drawn).T
        return Drawn(sensitivity, specificity, prevalence, np.column_stack(lines), self.tail)


class Site(BaseModel):
    """A team recalibrated to another hospital.

    Attributes:
        format: Version of the file.
        date: Day of the recalibration, as 2026-11-30.
        team: What the team was then, a digest.
        recalibrations: What makes scores of the raw ones there, one per finding; None where the
            scores stay as they are.
        thresholds: Threshold of the score there, one per finding.
        each: What is told of each finding; None where its scores stay.
        images: SHA-256 of each image whose label was used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    date: str
    team: str
    recalibrations: tuple[Recalibration | None, ...]
    thresholds: tuple[float, ...]
    each: tuple[SiteFinding | None, ...]
    images: tuple[str, ...]

    def of(self, winner: Winner) -> Winner:
        """The winner as it predicts there."""
        changed = {"recalibrations": self.recalibrations, "thresholds": self.thresholds}
        return winner.model_copy(update=changed)


def refuse_at_a_site(options: Iterable[str]) -> None:
    """Refuse what is said of scores that a site changes.

    Raises:
        InputError: If there is any; a sentence for each.
    """
    problems = [
        f"{flag(name)} is of the scores as the search has them, and --site changes them: drop one "
        "of the two"
        for name in sorted(options)
    ]
    if problems:
        raise InputError(*problems)


def team_digest(winner: Winner) -> str:
    """Names the team, its recalibrations and its thresholds, which a site is made for."""
    parts = {"teams", "thresholds", "recalibrations"}
    return digest(winner.model_dump_json(include=parts))


def site_file(run: Path, name: str) -> Path:
    """The file of a site.

    Raises:
        InputError: If the name could be no file on every disk.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"the name of a site must have letters, digits, - and _ alone (got {name!r})"
        )
    return sites_folder(run) / f"{name}.json"


def save_site(site: Site, file: Path) -> None:
    """Write the file as a whole; resamples make it long, so it has one line."""
    write_text(file, site.model_dump_json() + "\n")


def read_site(run: Path, name: str, winner: Winner) -> Site:
    """Read a site of this team.

    Raises:
        InputError: If there is none of this name, its file is damaged, or it is of another team.
    """
    file = site_file(run, name)
    if not file.is_file():
        names = sorted(one.stem for one in file.parent.glob("*.json"))
        known = did_you_mean(name, names) if names else f"make one with {OPTION} {name}"
        raise InputError(f"--site must name a file of {file.parent} (got {name}); {known}")
    try:
        site = Site.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        why = explain(error)[0] if isinstance(error, ValidationError) else error.strerror
        raise InputError(
            f"{file} cannot be read ({why}): remove it, and make it again with {OPTION} {name}"
        ) from error
    if site.team != team_digest(winner):
        raise InputError(
            f"{file} is of another team or threshold, since the winner was chosen anew: make "
            f"another with {OPTION}"
        )
    return site


def sites_that_saw(run: Path, images: Sequence[str]) -> Iterator[str]:
    """A note for each site that was made with labels of some of these images (by SHA-256)."""
    for file in sorted(sites_folder(run).glob("*.json")):
        try:
            content = json.loads(file.read_bytes())
            num = len({*content["images"]} & {*images})
            date = content["date"]
        except (OSError, ValueError, KeyError, TypeError):
            yield (
                f"{file} cannot be read, so labels of these images may have recalibrated "
                f"{file.stem}: their figures may be no first look"
            )
            continue
        if num:
            yield (
                f"labels of {num} of these images have recalibrated {file.stem} on {date}: with "
                "--site or another recalibration their figures are no first look; report what was "
                "told then"
            )
