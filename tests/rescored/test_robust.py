"""Small changes of images: judged by models that never saw them, and shown on the page."""

import html
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures.commands import call_command

from search.rescored import robust
from search.rescored.robust import (
    Changed,
    KeptRobustness,
    Robustness,
    judge_robustness,
    scores_of_changes,
)
from search.rescored.trials import StoredTrials, stored_team
from search.results.search_result import SearchResult
from trainable.evaluation.intervals import Estimate
from trainable.images import changes
from trainable.run.winner import read_winner, save_winner

IDENTITY, BLACK = "as it is", "black"


@pytest.fixture
def two_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One change that is none, and one that leaves nothing."""
    found = {IDENTITY: lambda image: image, BLACK: np.zeros_like}
    for module in (changes, robust):
        monkeypatch.setattr(module, "CHANGES", found)


@pytest.mark.usefixtures("two_changes")
def test_no_change_moves_nothing_and_black_images_are_told_apart_by_nothing(
    searched_run: Path,
) -> None:
    said: list[str] = []
    found = judge_robustness(SearchResult.read(searched_run), report=said.append)
    assert found.num_exams == 100
    assert "100 images, changed in 2 ways" in said[0]
    same, black = found.effects
    assert same.gain is not None
    assert black.gain is not None
    assert (same.moved, same.flipped, same.gain.value) == (0, 0, 0)
    assert black.moved > 0.01
    assert f"the most: {BLACK}" in next(found.sentences)


@pytest.mark.usefixtures("two_changes")
def test_images_as_they_are_have_the_scores_of_the_search(searched_run: Path) -> None:
    result = SearchResult.read(searched_run)
    members, _ = stored_team(result, "--robustness")
    table = result.trials.set_index("number", drop=False).loc[members]
    trials = StoredTrials.of(result, table.to_dict("records"))
    exams = np.arange(7, 47)
    for place, member in enumerate(members):
        found = scores_of_changes(trials, place, result, exams)
        stored = result.folder.log.scores(member)[exams]
        np.testing.assert_allclose(found[""], stored, atol=1e-5)
        np.testing.assert_array_equal(found[""], found[IDENTITY])


def test_the_page_and_the_draft_have_what_was_found(searched_run: Path, tmp_path: Path) -> None:
    shutil.copytree(searched_run, tmp_path / "run")
    asked = ("--robustness", "--heat-maps", "no")
    said = call_command("search.__main__:report", tmp_path / "run", *asked, columns=80).stdout
    table = [line for line in said.splitlines() if line.startswith("  ") and "°" in line]
    assert len(table) == 2
    assert all(len(line) <= 80 for line in table)
    page = html.unescape((tmp_path / "run" / "report.html").read_text())
    assert "Small changes of 100 images change" in page
    assert "- 30. robustness or sensitivity analysis: Small changes of 100 images" in page
    assert all(change in page for change in changes.CHANGES)


def test_what_was_asked_is_on_each_later_page_until_another_winner_is_chosen(
    searched_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(searched_run, run)
    shown = {
        ("--robustness",): "Small changes of 100 images change",
        ("--judge-across", "site"): "of values of site that no head saw",
        ("--judge-across", "scanner"): "of values of scanner that no head saw",
    }
    for asked in shown:
        call_command("search.__main__:report", run, *asked, "--heat-maps", "no")
    page = html.unescape((run / "report.html").read_text())
    # in its section, and in the draft of a checklist
    assert [page.lower().count(words.lower()) >= 2 for words in shown.values()] == [True] * 3
    winner = read_winner(run)
    save_winner(winner.model_copy(update={"num_trials": 99}), run)
    call_command("search.__main__:report", run, "--heat-maps", "no")
    page = html.unescape((run / "report.html").read_text())
    assert not any(words.lower() in page.lower() for words in shown.values())
    KeptRobustness.file(run).write_text("{")
    said = call_command("search.__main__:report", run, "--heat-maps", "no", code=2).stderr
    assert f"write it again with cxr-report {run} --robustness" in " ".join(said.split())


def test_several_findings_fit_a_terminal_and_a_missing_class_is_said() -> None:
    gain = Estimate(0.1, -0.2, 0.3)
    effects = [
        Changed(name, "contrast down by 10 %", 0.05, 0.02, given)
        for name, given in (("Pleural effusion", gain), ("Cardiomegaly", None))
    ]
    found = Robustness(100, "image", 2, 1, tuple(effects))
    *table, first, second, left_out = found.lines
    assert all(len(line) <= 78 and "AUC" not in line for line in table)
    assert any("Pleural effusion" in line for line in table)
    assert first.startswith("Pleural effusion: small changes")
    assert second.startswith("Cardiomegaly: ")
    assert left_out == "1 trial of the team left out, with trained stages"
    assert list(found.table["AUC less AUC as it is"])[1] == "one class only"
