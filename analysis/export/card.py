"""The model card of an exported team, and the packages that it needs."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.export.asked import asked_of, title_of
from analysis.export.folder import Export
from analysis.export.graph import OLDEST_RUNTIME, OPSET, largest_size, pixel_inputs
from analysis.model_file import FinalModel, guards_of, seen_columns
from trainable.backbones.timm_networks import TimmBackbone
from trainable.cohort.cohort import Cohort
from trainable.cohort.counts import count_findings
from trainable.cohort.exams import Grouping
from trainable.cohort.splits import seen_rows
from trainable.images.endings import DICOM_SUFFIXES
from trainable.images.scale import Scale
from trainable.model.covariate_encoder import ColumnCode
from trainable.report.answers import promises_table
from trainable.report.recalibration import recalibration_sentences
from trainable.run.winner import Winner

CARD, REQUIREMENTS = "README.md", "requirements.txt"

_NEEDED = (
    *("torch", "torchvision", "numpy", "pandas", "scipy", "scikit-learn", "pillow", "imagehash"),
    *("pydantic", "safetensors", "filelock", "cyclopts", "rich"),
    *("matplotlib", "jinja2"),  # for the page of --labels
    "captum",  # for --heat-maps
)
_DIGITS = 12  # of a fingerprint
_OF_DICOM = ("pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle")


def requirements(winner: Winner, cohort: Cohort, export: Export) -> str:
    """A line for each package that predicting needs, in the version that is installed here."""
    packages = [*_NEEDED]
    if any(isinstance(member.config.backbone.network, TimmBackbone) for member in winner.members):
        packages.append("timm")
    if any(Path(path).suffix.lower() in DICOM_SUFFIXES for path in cohort.manifest["path"]):
        packages += _OF_DICOM
    if export.graph:
        packages.append("onnxruntime")
    # a local version, as in 2.11.0+cpu, is in no registry
    return "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in packages)


def write_card(
    folder: Path, export: Export, winner: Winner, cohort: Cohort, models: Sequence[FinalModel]
) -> None:
    """Write `README.md`."""
    environment = Environment(
        loader=PackageLoader("analysis.export", "."),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    trained_on = cohort.exams[cohort.exams["split"] != "test"]
    findings = cohort.findings
    images = cohort.manifest[cohort.manifest["split"] != "test"]
    text = environment.get_template("card.md").render(
        title=title_of(cohort),
        folder=folder.name,
        requirements=f"{folder.name}/{REQUIREMENTS}",
        winner=winner,
        findings=findings,
        kind=findings.kind.capitalize(),
        each=_each(winner, cohort),
        recalibrated=list(recalibration_sentences(winner)),
        promises=_promises(winner, cohort.grouping.unit),
        names=json.dumps(findings.names, ensure_ascii=False),
        export=export,
        unit=cohort.grouping.unit,
        negative=cohort.classes[0] if findings.is_one else "",
        positive=asked_of(cohort),
        num_images=len(images),
        num_patients=trained_on["patient"].nunique(),
        num_exams=len(trained_on),
        members=_members(winner, models),
        views=_views(cohort.grouping),
        has_guard=bool(guards_of(models)),
        columns=_columns(seen_columns(winner, cohort, models)),
        size=largest_size(models),
        several_sizes=len({one.image_size for one in export.preprocessing}) > 1,
        depth=_depth(winner),
        number=lambda value: "not known" if value is None else f"{value:.3f}",
        channels=_channels,
        opset=OPSET,
        oldest_runtime=OLDEST_RUNTIME,
        versions=", ".join(f"{name} {number}" for name, number in export.versions.items()),
    )
    (folder / CARD).write_text(text)


def _each(winner: Winner, cohort: Cohort) -> list[dict[str, Any]]:
    """What is known of each finding, or class."""
    rows = seen_rows(cohort)
    counts = count_findings(cohort.findings, cohort.labels[rows], cohort.patients[rows])
    return [
        {"name": of.name, "counts": of.exams, "found": found, "corrected": corrected, "team": team}
        for of, found, corrected, team in zip(
            counts, winner.out_of_fold, winner.corrected_each, winner.teams, strict=True
        )
    ]


def _promises(winner: Winner, unit: str) -> list[tuple[str, list[list[str]]]]:
    """What can be promised of each finding, a row of names first; its name if there are several."""
    found = []
    for name, steps in zip(winner.findings.names, winner.answers, strict=False):
        table = promises_table(steps, unit)
        rows = [[str(one).capitalize() for one in table], *table.to_numpy().tolist()]
        found.append(("" if winner.findings.is_one else name, rows))
    return found


def _members(winner: Winner, models: Sequence[FinalModel]) -> list[dict[str, Any]]:
    return [
        {
            "trial": member.trial,
            "backbone": member.config.backbone.short,
            "cut": member.config.cut,
            "head": member.config.head,
            "num_networks": len(model.networks),
            "weights": winner.weights.fingerprints[str(member.config.backbone)][:_DIGITS],
            "licence": winner.weights.licences.get(str(member.config.backbone), "not known"),
        }
        for member, model in zip(winner.members, models, strict=True)
    ]


def _views(grouping: Grouping) -> dict[str, str]:
    """What each view is called, by its input of `model.onnx`."""
    return {name: grouping.name(place) for place, name in enumerate(pixel_inputs(grouping.views))}


def _columns(columns: ColumnCode) -> list[tuple[str, str]]:
    """Each covariate, and what the number in its place says."""
    numbers = [
        (one.name, f"the number itself; the mean in the training was {one.mean:.4g}")
        for one in columns.numbers
    ]
    categories = [
        (one.name, ", ".join(f"{place}: {name}" for place, name in enumerate(one.known)))
        for one in columns.categories
    ]
    return [*numbers, *categories]


def _depth(winner: Winner) -> str:
    limits = winner.statistics.limits
    if limits is None:
        return "All images of the cohort had 8 bits per pixel. A deep image is shown by its range."
    return (
        f"Of images with more than 8 bits per pixel, {limits.black:g} is black and "
        f"{limits.white:g} is white, unless a DICOM file has a window of its own."
    )


def _channels(scale: Scale | None, which: int) -> str:
    if scale is None:
        return ("mean of the image", "standard deviation of the image")[which]
    return ", ".join(f"{value:.4g}" for value in scale[which])
