"""The commands as a user runs them, on real Ray: search, kill, resume, predict, evaluate."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from fixtures.commands import call_command, run_command
from fixtures.processes import num_rows, ray_folder, wait_until
from fixtures.warm import Warm
from optuna.trial import TrialState
from sklearn.metrics import f1_score

from search.demo.phantoms import write_demo
from search.run.run_folder import RunFolder
from search.tune.reaper import writing_to
from search.tune.study import open_storage

pytestmark = pytest.mark.timeout(240)

SMALL = ("--weights", "none", "--backbones", "squeezenet1_0,squeezenet1_1", "--unfreeze", "none")
SIZES = ("--image-size", "48", "--batch-size", "16", "--epochs", "2", "--folds", "3")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small demo cohort, in which commands leave their runs and caches."""
    home = tmp_path_factory.mktemp("home")
    write_demo(home / "demo", num_patients=60, num_test_patients=12, size=64, seed=1)
    return home


def search_options(home: Path, name: str) -> Sequence[object]:
    return (
        *("--data", home / "demo" / "train.csv", "--out", home / name),
        *("--cache", home / "cache", *SMALL, *SIZES),
    )


@pytest.fixture(scope="module")
def finished(home: Path) -> Path:
    """A run folder of a search that ended by itself."""
    mlflow = ("--mlflow", f"sqlite:///{home / 'mlflow.db'}")
    trials = ("--trials", 6, "--max-concurrent", 1)
    done = run_command("search", *search_options(home, "finished"), *trials, *mlflow)
    assert "winner: " in done.stdout
    assert not done.stderr
    return home / "finished"


def states(run: Path) -> list[TrialState]:
    study = optuna.load_study(study_name=None, storage=open_storage(RunFolder(run)))
    return [trial.state for trial in study.trials]


def test_a_cluster_that_does_not_answer_is_refused_and_leaves_no_folder(
    home: Path, warm: Warm
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        data = ("--data", home / "demo" / "train.csv", "--weights", "none")
        done = warm.start("search", *data, "--address", address, "--out", home / "none")
        assert done.wait() == 2
    assert f"there is none at {address}" in done.err
    assert "Traceback" not in done.err
    assert not (home / "none").exists()


def test_a_search_leaves_a_whole_run_folder(finished: Path) -> None:
    trials = pd.read_csv(finished / "trials.csv")
    assert trials["state"].tolist() == ["complete"] * 6
    assert sorted(trials["number"]) == list(range(6))
    ended, queued = states(finished)[:6], states(finished)[6:]
    assert ended == [TrialState.COMPLETE] * 6
    assert set(queued) <= {TrialState.WAITING}, "the rest of the portfolio"
    first = trials.set_index("number").loc[0]
    assert (first["backbone"], first["cut"], first["unfreeze"]) == ("squeezenet1_0", "features", 0)
    assert (first["learning_rate"], first["normalization"]) == (1e-3, "none")
    assert list(finished.glob("tensorboard/trial_00000/events.out.tfevents*"))


def test_what_tells_of_patients_is_this_users_alone_and_holds_no_pickle(
    home: Path, finished: Path
) -> None:
    written = [finished, *finished.rglob("*"), home / "cache", *(home / "cache").rglob("*")]
    assert [path for path in written if path.stat().st_mode & 0o077] == []
    assert list(finished.rglob("*.pkl")) == []
    assert all(path.is_dir() for path in (finished / "tensorboard").iterdir())


def test_other_tools_see_the_metrics_of_each_trial(home: Path, finished: Path) -> None:
    trials = pd.read_csv(finished / "trials.csv").set_index("number")
    with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as database:
        names = dict(database.execute("SELECT run_uuid, name FROM runs").fetchall())
        query = "SELECT run_uuid, value FROM latest_metrics WHERE key = 'f1'"
        logged = {names[run]: value for run, value in database.execute(query).fetchall()}
    assert logged == {f"trial_{number:05d}": f1 for number, f1 in trials["f1"].items()}
    study = optuna.load_study(study_name=None, storage=open_storage(RunFolder(finished)))
    for number, row in trials.iterrows():
        kept = study.trials[int(str(number))].user_attrs
        assert kept["F1"] == pytest.approx(row["f1"], abs=1e-4)
        assert kept["TP"] == row["tp"]


def test_the_scores_on_disk_are_those_that_the_metrics_are_of(finished: Path) -> None:
    labels = pd.read_csv(finished / "cohort.csv")["label"].to_numpy()
    for row in pd.read_csv(finished / "trials.csv").to_dict("records"):
        scores = np.load(finished / "scores" / f"{row['number']:05d}.npy")[:, 0]
        positives = scores >= np.float32(row["threshold"])
        counts = [(positives & (labels == 1)).sum(), (positives & (labels == 0)).sum()]
        assert counts == [row["tp"], row["fp"]]


@pytest.mark.usefixtures("ray_of_tests")
def test_a_killed_search_goes_on_and_counts_no_trial_twice(home: Path, warm: Warm) -> None:
    run = home / "killed"
    options = (*search_options(home, "killed"), "--trials", 8, "--max-concurrent", 1)
    process = warm.start("search", *options)
    wait_until(lambda: process.poll() is not None or num_rows(run) >= 2)
    ray = ray_folder(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not ray.exists() and not list(writing_to(ray)))
    before = pd.read_csv(run / "trials.csv")
    assert 2 <= len(before) < 8
    call_command("search", "--resume", run)
    after = pd.read_csv(run / "trials.csv")
    pd.testing.assert_frame_equal(after.head(len(before)), before, check_dtype=False)
    assert after["number"].is_unique
    assert after["state"].isin(["complete", "stopped"]).sum() == 8
    assert set(after["state"]) <= {"complete", "stopped", "interrupted"}
    num_stopped = (after["state"] == "stopped").sum()
    assert states(run).count(TrialState.COMPLETE) == 8 - num_stopped
    assert TrialState.RUNNING not in states(run)


@pytest.mark.usefixtures("ray_of_tests")
def test_ctrl_c_ends_a_search_with_the_winner_so_far(home: Path) -> None:
    run = home / "stopped"

    def press() -> None:
        wait_until(lambda: num_rows(run) >= 2)
        os.kill(os.getpid(), signal.SIGINT)

    presses = threading.Thread(target=press, daemon=True)
    presses.start()
    done = call_command("search", *search_options(home, "stopped"), "--trials", 500, code=130)
    presses.join()
    assert "Traceback" not in done.stdout + done.stderr
    assert "Ctrl-C ended the search" in done.stdout
    assert "winner: " in done.stdout
    assert (run / "winner.json").exists()


def test_a_finished_search_has_a_page_that_is_whole_in_one_file_and_may_be_shared(
    home: Path, finished: Path
) -> None:
    done = call_command("search.page.command", finished)
    assert done.stdout.splitlines() == [
        f"report: {finished / 'report.html'}",
        "note: it shows X-rays of patients (5 images), names of images and of folders; leave them "
        "out with --for-sharing",
    ]
    assert not done.stderr
    page = (finished / "report.html").read_text()
    for title in ("Result", "Calibration", "Encoders and cuts", "Cohort", "For the paper"):
        assert title in page
    assert f"cxr-search --data {home}" in page
    assert "src=" not in page
    assert page.count("data:image/jpeg;base64") >= 5
    assert "@import" not in page
    shared = call_command("search.page.command", finished, "--for-sharing")
    assert shared.stdout == f"report: {finished / 'report.html'}\n"
    page = (finished / "report.html").read_text()
    assert "data:image/jpeg" not in page
    assert str(home) not in page
    assert "cxr-search --data train.csv" in page
    both = ("--for-sharing", "--heat-maps", "yes")
    refused = call_command("search.page.command", finished, *both, code=2)
    assert "--for-sharing leaves out X-rays" in refused.stderr


@pytest.mark.usefixtures("ray_of_tests")
def test_a_resumed_search_keeps_what_its_scores_depend_on(finished: Path) -> None:
    done = call_command("search", "--resume", finished, "--seed", 5, "--folds", 4, code=2)
    assert "--seed 0" in done.stderr
    assert "--folds 3" in done.stderr


@pytest.mark.usefixtures("ray_of_tests")
def test_a_finished_search_resumes_to_its_winner_and_takes_more_trials(finished: Path) -> None:
    before = (finished / "winner.json").read_text()
    call_command("search", "--resume", finished)
    assert (finished / "winner.json").read_text() == before


def test_predictions_follow_the_template_and_keep_the_model(home: Path, finished: Path) -> None:
    demo = home / "demo"
    template = pd.read_csv(demo / "prediction_example.csv").sample(frac=1, random_state=0)
    template.to_csv(home / "template.csv", index=False)
    options = ("--images", demo / "test", "--template", home / "template.csv", "--seeds", 2)
    labels = ("--labels", demo / "test_labels.csv", "--cache", home / "cache")
    maps = ("--heat-maps", home / "maps")
    first = run_command("analysis", finished, *options, *labels, *maps, "--out", home / "106.csv")
    assert "predicted +" in first.stdout
    assert {path.stem for path in (home / "maps").iterdir()} == {
        Path(name).stem for name in template["image"]
    }
    assert not first.stderr
    predictions = pd.read_csv(home / "106.csv")
    assert list(predictions.columns) == ["image", "died"]
    assert predictions["image"].tolist() == template["image"].tolist()
    scores = pd.read_csv(home / "106_scores.csv")
    [threshold] = json.loads((finished / "winner.json").read_text())["thresholds"]
    assert ((scores["score"] >= threshold - 1e-7) == (predictions["died"] == 1)).all()
    assert "AUC" in first.stdout
    second = call_command("analysis", finished, *options, *labels, "--out", home / "107.csv")
    assert "model found" in second.stdout
    assert (home / "107.csv").read_text() == (home / "106.csv").read_text()
    refused = call_command("analysis", finished, *options, "--out", home / "106.csv", code=2)
    assert "exists already" in refused.stderr


def test_the_winner_says_what_it_is_worth_and_who_is_in_the_team(finished: Path) -> None:
    winner = json.loads((finished / "winner.json").read_text())
    trials = pd.read_csv(finished / "trials.csv").set_index("number")
    members = [member["trial"] for member in winner["members"]]
    assert len(members) in (1, 5, 6)
    assert (
        members == trials["objective"].sort_values(ascending=False).index[: len(members)].tolist()
    )
    assert members[0] == winner["tied"][0]["trial"]
    for member in winner["members"]:
        assert member["thresholds"] == pytest.approx([trials.loc[member["trial"], "threshold"]])
    mean = np.mean(
        [np.load(finished / "scores" / f"{one:05d}.npy")[:, 0] for one in members], axis=0
    )
    labels = pd.read_csv(finished / "cohort.csv")["label"]
    apparent = winner["out_of_fold"][0]["f1"]
    assert f1_score(labels, mean >= np.float32(winner["thresholds"][0])) == pytest.approx(apparent)
    worth = winner["corrected"]
    assert worth["interval"][0] < worth["f1"] < worth["interval"][1]
    assert worth["optimism"] == pytest.approx(apparent - worth["f1"])


@pytest.mark.usefixtures("ray_of_tests")
def test_a_finished_search_may_choose_anew_a_team_or_a_single_trial(
    home: Path, finished: Path
) -> None:
    run = home / "anew"
    shutil.copytree(finished, run)
    tied = json.loads((run / "winner.json").read_text())["tied"]
    assert len(tied) > 1
    done = call_command("search", "--resume", run, "--prefer-simple")
    assert f"the simplest of {len(tied)} statistically tied trials" in done.stdout
    winner = json.loads((run / "winner.json").read_text())
    assert [one["trial"] for one in winner["tied"]] == [one["trial"] for one in tied]
    assert len(winner["members"]) == 1
    refused = call_command("search", "--resume", run, "--team", 0, code=2)
    assert "--team must be auto, or a whole number of at least 1 (got 0)" in refused.stderr
    refused = call_command("search", "--resume", run, "--team", 2, "--prefer-simple", code=2)
    assert "--prefer-simple chooses one trial: drop it, or drop --team 2" in refused.stderr


@pytest.mark.usefixtures("ray_of_tests")
def test_a_team_is_retrained_and_predicts_by_its_mean(home: Path, finished: Path) -> None:
    run = home / "pair"
    shutil.copytree(finished, run)
    done = call_command("search", "--resume", run, "--team", 2)
    assert "winner: a team of " in done.stdout
    winner = json.loads((run / "winner.json").read_text())
    options = ("--images", home / "demo" / "test", "--cache", home / "cache", "--seeds", 1)
    predicted = call_command("analysis", run, *options, "--out", home / "two.csv")
    assert "cost per image: " in predicted.stdout
    assert len(winner["members"]) == 2
    for member in winner["members"]:
        assert list((run / "models").glob(f"trial_{member['trial']:05d}-*/model.json"))


def test_an_interrupted_prediction_says_truly_what_it_wrote(
    home: Path, finished: Path, warm: Warm
) -> None:
    options = ("--images", home / "demo" / "test", "--cache", home / "cache", "--seeds", 500)
    out, before = home / "interrupted.csv", set((finished / "models").glob("*"))
    process = warm.start("analysis", finished, *options, "--out", out)
    wait_until(lambda: process.poll() is not None or "seed 1 of 500" in process.out)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 130
    stopping, said = process.err.splitlines()
    assert stopping == "Ctrl-C: stopping ..."
    new = {str(model) for model in set((finished / "models").glob("*")) - before}
    start, _, kept = said.strip(".\n").partition(" Written: ")
    assert start in ("Stopped by Ctrl-C.", "Stopped by Ctrl-C. Nothing was written")
    assert set(kept.split(", ")) - {""} == new
    assert not out.exists()


def test_a_model_is_not_evaluated_on_its_own_patients(home: Path, finished: Path) -> None:
    train = home / "demo" / "train.csv"
    options = ("--images", train, "--labels", train, "--out", home / "no.csv")
    refused = call_command("analysis", finished, *options, "--cache", home / "cache", code=2)
    assert "patients that the model was trained on" in refused.stderr
    assert not (home / "no.csv").exists()


def test_a_wrong_template_hides_no_wrong_labels(home: Path, finished: Path) -> None:
    lacks = ("--template", home / "no_template.csv", "--labels", home / "no_labels.csv")
    options = ("--images", home / "demo" / "test", *lacks, "--cache", home / "cache")
    refused = call_command("analysis", finished, *options, code=2, columns=500)
    assert "no_template.csv" in refused.stderr
    assert f"--labels must be a table; not found: {home}/no_labels.csv" in refused.stderr


@pytest.mark.usefixtures("ray_of_tests")
def test_bad_input_is_refused_at_once_before_any_training(home: Path) -> None:
    bad = home / "bad"
    bad.mkdir()
    (bad / "a.png").write_bytes(
        (home / "demo" / "train").glob("*.png").__next__().read_bytes()[:99]
    )
    rows = ["image,died,patient", "a.png,1,p1", "a.png,0,p1", "b.png,0,p2"]
    (bad / "table.csv").write_text("\n".join(rows[:3]) + "\n")
    options = ("--weights", "none", "--backbones", "resnet81", "--cache", home / "cache")
    done = call_command("search", "--data", bad / "table.csv", *options, code=2)
    for problem in (
        "resnet18",
        "several: a.png",
        "with both: p1",
        "a.png (",
        "5 patients",
    ):
        assert problem in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("ray_of_tests")
def test_a_demo_with_a_wrong_option_is_not_drawn_and_leaves_no_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.demo.demo.write_demo", lambda _: pytest.fail("it was drawn"))
    wrong = home / "wrong.yaml"
    wrong.write_text("schedule: onecycle\n")
    out = home / "refused"
    refused = call_command("search", "--data", "demo", "--space", wrong, "--out", out, code=2)
    assert "did you mean 'one_cycle'?" in refused.stderr + refused.stdout
    assert not out.exists()
