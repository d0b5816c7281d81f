"""`winner.json` comes back as it was written; a damaged one is refused in a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.cohorts import cohort
from fixtures.networks import tiny_config
from fixtures.winners import RECALIBRATION, make_winner

from trainable.cohort.findings import Findings
from trainable.cohort.scored import team_scores
from trainable.errors import InputError
from trainable.evaluation.intervals import Estimate
from trainable.run.places import scores_file
from trainable.run.winner import (
    FORMAT,
    TestLook,
    TestResult,
    TiedTrial,
    Winner,
    read_winner,
    save_winner,
)


def team() -> Winner:
    """Two members, a tied trial, and a test metric that is not defined."""
    winner = make_winner(tiny_config(head_layers=(8, 4)))
    second = winner.best.model_copy(update={"trial": 4, "thresholds": (0.1 + 0.2,)})
    tied = TiedTrial(trial=4, config=tiny_config(), num_steps=9, f1=1 / 3)
    estimates = {"AUC": Estimate(0.7, float("nan"), 1.0)}
    test = TestResult(num_exams=9, num_positive=2, num_trained=30, estimates=estimates)
    look = TestLook(date="2026-11-29", trials=(3, 4), thresholds=(0.4,), result=test)
    changes = {"members": (winner.best, second), "teams": ((3, 4),)}
    changes |= {"recalibrations": (RECALIBRATION,)}
    return winner.model_copy(update={**changes, "tied": (tied,), "test_looks": (look,)})


def test_a_winner_comes_back_to_the_bit(tmp_path: Path) -> None:
    winner = team()
    save_winner(winner, tmp_path)
    found = read_winner(tmp_path)
    assert found.test is not None
    assert repr(found) == repr(winner)
    assert found.members == winner.members
    assert found.best == winner.members[0]


def test_a_record_of_before_licences_were_kept_is_read(tmp_path: Path) -> None:
    text = edited(lambda content: content["weights"].pop("licences"))
    (tmp_path / "winner.json").write_text(text)
    assert read_winner(tmp_path).weights.licences == {}


def test_a_record_of_before_scores_were_recalibrated_has_the_raw_ones(tmp_path: Path) -> None:
    def as_before(content: dict[str, Any]) -> None:
        content.update(format=7)
        del content["recalibrations"]

    (tmp_path / "winner.json").write_text(edited(as_before))
    found, scores = read_winner(tmp_path), np.array([[0.2], [0.4]], np.float32)
    assert repr(found) == repr(team().model_copy(update={"recalibrations": ()}))
    assert np.array_equal(found.recalibrated(scores), scores)
    assert not np.array_equal(team().recalibrated(scores), scores)


def test_a_record_of_the_version_before_has_one_finding_and_one_team(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "fixtures" / "winner_of_format_6.json").read_text()
    (tmp_path / "winner.json").write_text(text)
    with pytest.raises(InputError, match=r"cohort\.csv is missing"):
        read_winner(tmp_path)
    cohort().save(tmp_path)
    found, then = read_winner(tmp_path), json.loads(text)
    assert found.findings == Findings(("dead",))
    assert found.teams == ((2, 1),)
    assert found.corrected_each == (found.corrected,)
    now = json.loads(found.model_dump_json())
    assert now["scoring"].pop("exclusive") is False
    assert now.pop("format") == FORMAT
    assert now["test_looks"][0]["result"].pop("each") == []
    for name in ("findings", "teams", "corrected_each"):
        del now[name]
    assert now.pop("recalibrations") == now.pop("answers") == []
    assert now.pop("folds_by") is None
    assert then.pop("format") == FORMAT - 2
    assert now == then, "nothing is lost"
    save_winner(found, tmp_path)
    assert read_winner(tmp_path) == found
    (tmp_path / "winner.json").write_text(text.replace("members", "x"))
    with pytest.raises(InputError, match="another version"):
        read_winner(tmp_path)


def test_each_finding_has_the_scores_of_its_own_team() -> None:
    changes = {"teams": ((3, 4), (4,), (3,)), "recalibrations": ()}
    winner = team().model_copy(update=changes)
    by_member = np.random.default_rng(0).random((2, 5, 3)).astype(np.float32)
    scores = winner.team_scores(by_member)
    assert scores.dtype == np.float32
    assert scores[:, 0] == pytest.approx(by_member[..., 0].mean(axis=0))
    assert np.array_equal(scores[:, 1:], np.stack([by_member[1, :, 1], by_member[0, :, 2]], axis=1))
    one = team().team_scores(by_member[..., :1])
    assert np.array_equal(one, team().recalibrated(team_scores(by_member[..., :1])))


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(team().model_dump_json())
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (edited(lambda content: content.update(format=FORMAT + 1)), "another version of cxr"),
        (edited(lambda content: content.pop("format")), "another version of cxr"),
        (edited(lambda content: content.update(format=FORMAT - 3)), "another version of cxr"),
        (json.dumps({"format": 3, "trial": 7}), "another version of cxr"),
        (edited(lambda content: content.pop("thresholds")), "thresholds is missing"),
        (edited(lambda content: content.update(members=[])), "damaged"),
        (edited(lambda content: content.update(teams=[[3, 4, 5]])), "must be those of the teams"),
        (edited(lambda content: content["thresholds"].append(0.5)), "must be one per finding"),
        (edited(lambda content: content["recalibrations"].append(None)), "must be one per finding"),
        (edited(lambda content: content["recalibrations"][0].update(of_rest=0)), "must rise"),
        (edited(lambda content: content["members"][0]["config"].update(epochs=0)), "epochs must"),
        (team().model_dump_json()[:-50], "damaged"),
        ("", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "winner.json").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_winner(tmp_path)
    [problem] = caught.value.problems
    assert "\n" not in problem
    assert "winner.json" in problem
    assert '"members"' not in problem, "the file itself is no part of the sentence"


def test_a_folder_without_a_winner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder of a search with a winner"):
        read_winner(tmp_path)


def test_changed_weights_of_any_member_are_refused() -> None:
    winner = make_winner(tiny_config())
    other = winner.best.model_copy(
        update={"config": tiny_config(backbone="resnet18", cut="layer4")}
    )
    pair = winner.model_copy(update={"members": (winner.best, other)})
    assert set(pair.load_weights().names) == {"squeezenet1_0", "resnet18"}
    fingerprints = {**winner.weights.fingerprints, "resnet18": "of other weights"}
    weights = winner.weights.model_copy(update={"fingerprints": fingerprints})
    with pytest.raises(InputError, match="weights of resnet18 from none have changed"):
        pair.model_copy(update={"weights": weights}).load_weights()


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY", b"no scores at all"])
def test_scores_that_are_missing_or_damaged_are_told_in_a_sentence(
    tmp_path: Path, content: bytes | None
) -> None:
    file = scores_file(tmp_path, 4)
    file.parent.mkdir()
    np.save(scores_file(tmp_path, team().best.trial), np.zeros((3, 1), np.float32))
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"the scores of trial 4 .*00004\.npy .*--resume"):
        team().out_of_fold_scores(tmp_path)
