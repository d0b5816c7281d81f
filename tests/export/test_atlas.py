"""The model card as data: true for every kind of team, and valid where the schema is at hand."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.winners import make_winner

from analysis.export.atlas import ATLAS, SCHEMA, folder_hash, write_atlas
from analysis.export.folder import Export, GraphCheck, PreprocessingRecord
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.config import TrialConfig
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.scoring import Scoring
from trainable.run.exported import Exported
from trainable.run.winner import Member, TestLook, TestResult, Winner, digest_of

LOGISTIC = TrialConfig(head="logistic")
SEES_AGE = TrialConfig(head="logistic", covariates=True)
SCHEMA_FILE = os.environ.get("CXR_ATLAS_SCHEMA")
"""The file model.json of RSNA/ATLAS, folder schema-2026-12."""


def cohort(**columns: np.ndarray) -> Cohort:
    names = [f"{number}.png" for number in range(12)]
    manifest = pd.DataFrame({"image": names, "path": names, "sha256": names, "split": ""})
    manifest = manifest.assign(label=np.arange(12) % 2, patient=np.arange(12) // 2, **columns)
    return Cohort(manifest, (LabelRule(("alive", "dead")),), found_by={"label": "died"})


def members(*configs: TrialConfig) -> tuple[Member, ...]:
    return tuple(
        Member(trial=number, config=config, num_steps=8, thresholds=(0.5,))
        for number, config in enumerate(configs)
    )


TEST = TestResult(
    num_exams=30, num_positive=9, num_trained=90,
    estimates=dict.fromkeys(("F1", "AUC", "sensitivity"), Estimate(0.7, 0.6, 0.8)),
)  # fmt: skip


def looked(winner: Winner) -> Winner:
    trials = tuple(member.trial for member in winner.members)
    look = TestLook(date="2026-11-29", trials=trials, thresholds=winner.thresholds, result=TEST)
    return winner.model_copy(update={"test_looks": (look,)})


def several(of: Cohort, average: str, **scoring: Any) -> tuple[Winner, Cohort]:
    asked = Scoring(f1_average=average, **scoring)  # type: ignore[arg-type]
    return make_winner(LOGISTIC, findings=of.findings, scoring=asked), of


AGE = {"covariate:age": np.array([str(age) for age in range(12)])}
CASES = {
    "single": (looked(make_winner(LOGISTIC)), cohort()),
    "team": (make_winner(LOGISTIC, members=members(LOGISTIC, LOGISTIC)), cohort()),
    "covariates": (make_winner(LOGISTIC, members=members(LOGISTIC, SEES_AGE)), cohort(**AGE)),
    "findings": several(three_findings(), "macro"),
    "classes": several(three_classes(), "weighted", exclusive=True),
}


def card(folder: Path, case: str) -> dict[str, Any]:
    winner, of = CASES[case]
    export = Export(
        classes=("alive", "dead"), grouping=of.grouping, found_by={}, trained_on=(),
        preprocessing=tuple(
            PreprocessingRecord.of(one.trial, one.config, winner.statistics)
            for one in winner.members
        ),
        graph=GraphCheck(num_images=12, largest_difference=2e-6), versions=winner.versions,
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "winner.json").write_text("{}")
    content = write_atlas(folder, "2026-12-01", export, winner, of)
    found: dict[str, Any] = json.loads((folder / ATLAS).read_text())
    assert found["$schema"] == SCHEMA
    model: dict[str, Any] = found["Model"]
    kind, digits = model["Link"].split(";")
    assert kind == "ni:///sha-256"
    assert base64.urlsafe_b64decode(digits + "=").hex() == content
    assert content in model["General metadata"]["Comments"]
    return model


@pytest.mark.skipif(not SCHEMA_FILE, reason="needs CXR_ATLAS_SCHEMA, the file model.json of RSNA")
@pytest.mark.parametrize("case", CASES)
def test_the_card_is_valid_by_the_schema_of_the_registry(tmp_path: Path, case: str) -> None:
    from jsonschema import Draft202012Validator as Validator

    card(tmp_path, case)
    schema = json.loads(Path(str(SCHEMA_FILE)).read_text())
    Validator(schema, format_checker=Validator.FORMAT_CHECKER).validate(
        json.loads((tmp_path / ATLAS).read_text())
    )


@pytest.mark.parametrize("case", CASES)
def test_the_card_says_what_goes_in_and_out_and_nothing_that_only_the_owner_knows(
    tmp_path: Path, case: str
) -> None:
    model = card(tmp_path, case)
    facts = model["Model properties"]
    wanted = "A chest X-ray" + "; and covariates: age" * (case == "covariates")
    assert facts["Input"]["Description"] == wanted
    outcome = {"findings": "3 findings", "classes": "3 classes"}.get(case, "died = dead")
    assert outcome in facts["Output"]["Description"]
    assert facts["Architecture"].startswith("2 models" if case in ("team", "covariates") else "1 m")
    assert not {"Authors", "Funding", "License", "Organizations"} & model["General metadata"].keys()
    assert not {"Use", "User", "Indications for use", "Clinical benefit"} & facts.keys()
    texts = [text for text in facts.values() if isinstance(text, str)]
    assert all(2 <= len(text) <= 512 for text in texts)


def test_the_summary_has_the_metrics_and_says_which_are_corrected(tmp_path: Path) -> None:
    text = card(tmp_path, "single")["Summary"]
    assert "trained on 12 images of 6 patients" in text
    assert "expected F1 is 0.400 (0.300 to 0.600) on new patients, corrected" in text
    assert "not corrected: dead: AUC 0.500, sensitivity 0.500, specificity 0.500." in text
    assert "On 30 test images that no choice saw: F1 0.700 (0.600 to 0.800), AUC" in text
    assert "test images" not in card(tmp_path / "team", "team")["Summary"]
    several = card(tmp_path / "several", "findings")["Summary"]
    assert "macro F1 of 3 findings is 0.400" in several
    assert "; nodule: AUC 0.500" in several


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a").write_text("1")
    before = folder_hash(tmp_path)
    assert folder_hash(tmp_path) == before
    (tmp_path / "models" / "a").write_text("2")
    changed = folder_hash(tmp_path)
    (tmp_path / "models" / "a").rename(tmp_path / "models" / "b")
    assert len({before, changed, folder_hash(tmp_path)}) == 3


def test_a_run_knows_its_export_until_another_winner_is_chosen(tmp_path: Path) -> None:
    winner, of = CASES["single"]
    assert Exported.read(tmp_path, winner, of) is None
    saved = Exported(winner=digest_of(winner, of), sha256="ab", date="2026-12-01")
    saved.save(tmp_path)
    assert Exported.read(tmp_path, winner, of) == saved
    other = winner.model_copy(update={"thresholds": (0.9,)})
    assert Exported.read(tmp_path, other, of) is None
