"""The model card as data: `atlas.json`, in the form of RSNA's ATLAS registry of AI models.

Our own mapping of what an export knows. What only its owner knows (authors, funding, licence,
users, approval) is left out, as the schema allows. Metrics stand in the summary: the schema has a
place for each, but there it refuses every property (`additionalProperties: false` without any).
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.export.asked import asked_of, title_of
from analysis.export.folder import Export
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import seen_rows
from trainable.errors import listing, num_of
from trainable.evaluation.metrics import Evaluation
from trainable.files import hash_file
from trainable.images.endings import DICOM_SUFFIXES
from trainable.run.winner import Winner
from trainable.training.heads import HEADS

ATLAS = "atlas.json"
SCHEMA = "https://atlas.rsna.org/schemas/2026-12/model.json"
"""The version of the schema that the card is in the form of."""

_NAME, _TEXT, _SUMMARY, _WORD = 256, 512, 2500, 64  # most letters, by the schema
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"} | dict.fromkeys(DICOM_SUFFIXES, "DICOM")


def folder_hash(folder: Path) -> str:
    """SHA-256, in hexadecimal, of the names and contents of all files of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hash_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_atlas(folder: Path, date: str, export: Export, winner: Winner, cohort: Cohort) -> str:
    """Write `atlas.json`, the last file of the folder.

    Args:
        folder: The folder, with all its other files.
        date: Day of the export, as 2026-12-01.
        export: What is exported.
        winner: The winner, without folders.
        cohort: The labelled images.

    Returns:
        Hash of the folder without this file.
    """
    content, title = folder_hash(folder), title_of(cohort)
    model = {
        "Name": _short(title, _NAME),
        "Summary": _short(_summary(title, winner, cohort), _SUMMARY),
        "Link": _named_by(content),
        "Indexing": {
            "Content": ["CH"],
            "Keywords": _keywords(winner),
        },
        "General metadata": {
            "Date": {"Created": date},
            "Comments": _short(_comments(content, winner), _TEXT),
        },
        "Model properties": _properties(export, winner, cohort),
        "Imaging": _imaging(export, cohort),
    }
    text = json.dumps({"$schema": SCHEMA, "Model": model}, indent=2, ensure_ascii=False)
    (folder / ATLAS).write_text(text + "\n", encoding="utf-8")
    return content


def _keywords(winner: Winner) -> list[str]:
    words = ("chest X-ray", *winner.findings.names)
    return list(dict.fromkeys(_short(one, _WORD) for one in words if len(one) > 1))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _named_by(content: str) -> str:
    """A URI that names a content by its SHA-256 (RFC 6920), where no place is known."""
    digits = base64.urlsafe_b64encode(bytes.fromhex(content)).decode().rstrip("=")
    return f"ni:///sha-256;{digits}"


def _summary(title: str, winner: Winner, cohort: Cohort) -> str:
    rows, unit = seen_rows(cohort), cohort.grouping.unit
    patients = cohort.exams["patient"].iloc[rows].nunique()
    images = int((cohort.manifest["split"] != "test").sum())
    counted = f"{num_of(images, 'image')} of {num_of(patients, 'patient')}"
    if cohort.grouping.views > 1:
        counted += f" ({num_of(len(rows), unit)})"
    size = num_of(len(winner.members), "model")
    return (
        f"{title}. A team of {size}, trained on {counted} by cxr. The expected {winner.f1_name} is "
        f"{winner.corrected.estimate} on new patients, corrected for the choice among "
        f"{num_of(winner.num_trials, 'trial')}. {' '.join(_metrics(winner, unit))} Research "
        "software, not a medical device."
    )


def _metrics(winner: Winner, unit: str) -> Iterator[str]:
    """Out of fold, and on test examinations that had no part in the choice of this team."""
    found = zip(winner.findings.names, winner.out_of_fold, strict=True)
    yield f"Out of fold, not corrected: {'; '.join(_of_finding(*one) for one in found)}."
    look = winner.own_look
    if look is not None and look == winner.test_looks[0]:
        estimates = ", ".join(f"{name} {one}" for name, one in look.result.estimates.items())
        yield f"On {num_of(look.result.num_exams, f'test {unit}')} that no choice saw: {estimates}."


def _of_finding(name: str, found: Evaluation) -> str:
    values = {
        "AUC": found["auc"],
        "average precision": found["average_precision"],
        "sensitivity": found["recall"],
        "specificity": found["specificity"],
    }
    known = (f"{metric} {value:.3f}" for metric, value in values.items() if value is not None)
    return f"{name}: {', '.join(known)}"


def _comments(content: str, winner: Winner) -> str:
    licences = winner.weights.licences
    named = listing((f"{name}: {text}" for name, text in licences.items()), most=20)
    return (
        f"SHA-256 of all other files of the folder: {content}. Put the address where the model "
        "is published in the place of Link. Licences of the weights at the start: "
        f"{named or 'not known'}."
    )


def _properties(export: Export, winner: Winner, cohort: Cohort) -> dict[str, Any]:
    texts = {
        "Architecture": _architecture(winner),
        "Decision threshold": _thresholds(winner),
        "Instructions": (
            "cxr-predict FOLDER --images X; README.md has the steps before and after. Judge the "
            "team at another place first: --labels TABLE."
        ),
        "Limitations": _limitations(winner, cohort),
        "Reproducibility": _reproducibility(export, winner),
    }
    described = {"Input": _input(winner, cohort), "Output": _output(winner, asked_of(cohort))}
    return {
        **{name: _short(text, _TEXT) for name, text in texts.items()},
        **{name: {"Description": _short(text, _TEXT)} for name, text in described.items()},
        "Regulatory information": {"Comment": "Research software, not a medical device."},
        "Distribution form": "Software download",
    }


def _architecture(winner: Winner) -> str:
    configs = [member.config for member in winner.members]
    bodies = dict.fromkeys(f"{one.backbone.short} to {one.cut}" for one in configs)
    heads = dict.fromkeys(HEADS[one.head].title for one in configs)
    size = num_of(len(configs), "model")
    return f"{size}: networks {listing(bodies, 20)}; heads: {listing(heads, 20)}"


def _thresholds(winner: Winner) -> str:
    levels = [f"{level:.4f}" for level in winner.thresholds]
    if winner.findings.is_one:
        return f"A score of at least {levels[0]} is predicted positive"
    each = listing(map(" ".join, zip(winner.findings.names, levels, strict=True)), 50)
    if winner.findings.exclusive:
        return f"The class with the highest ratio of score to threshold: {each}"
    return f"Positive from a score of: {each}"


def _input(winner: Winner, cohort: Cohort) -> str:
    grouping = cohort.grouping
    text = "A chest X-ray"
    if grouping.views > 1:
        views = listing((grouping.name(place) for place in range(grouping.views)), 20)
        text = f"The chest X-rays of an examination: {views}; one may be missing"
    if winner.sees_columns:
        text += f"; and covariates: {listing(cohort.covariates, 20)}"
    return text


def _output(winner: Winner, asked: str) -> str:
    findings = winner.findings
    if findings.is_one:
        return f"The probability, from 0 to 1, of {asked}"
    names = listing(map(repr, findings.names), 50)
    if findings.exclusive:
        return f"The probabilities of {len(findings)} classes, of which one holds: {names}"
    return f"A probability, from 0 to 1, of each of {len(findings)} findings: {names}"


def _limitations(winner: Winner, cohort: Cohort) -> str:
    judged = "out of fold and on test images" if winner.own_look else "out of fold"
    texts = [
        f"Judged on one cohort, {judged}. At another hospital, with other machines or another "
        "share of positive patients, it can be worse."
    ]
    if not winner.history.is_corrected:
        texts.append("The expected F1 is not corrected for all choices, and may be too high.")
    if winner.corrected.interval[0] <= winner.all_positive_f1:
        texts.append("It is not shown to be better than a constant answer.")
    if cohort.covariates.empty:
        texts.append("Age, sex, view and site of the patients are not known here.")
    return " ".join(texts)


def _reproducibility(export: Export, winner: Winner) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in export.versions.items())
    text = f"Seed {winner.seed}; {versions}"
    if export.graph:
        text += (
            f". model.onnx gave the same scores on {export.graph.num_images} images, to "
            f"{export.graph.largest_difference:.1g}"
        )
    return text


def _imaging(export: Export, cohort: Cohort) -> dict[str, Any]:
    suffixes = {Path(path).suffix.lower() for path in cohort.manifest["path"]}
    formats = sorted({_FORMATS.get(suffix, "Other") for suffix in suffixes})
    sizes = sorted({one.image_size for one in export.preprocessing})
    return {
        "Modalities": ["Projection radiography (RID10345)"],
        "Procedures": [{"Name": "Chest radiograph"}],
        "File format": formats,
        "Resolution": f"squares of {' or '.join(map(str, sizes))} pixels, resized",
        **(
            {"Comments": _short(f"Other: {listing(sorted(suffixes), 20)}", _NAME)}
            if "Other" in formats
            else {}
        ),
    }
