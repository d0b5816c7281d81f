"""Trials on a real Ray cluster: a failing one is kept with its error, and the others go on."""

import dataclasses
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.run_folders import run_of
from ray import tune
from ray.tune.experiment import Trial

from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.plan.planner import plan_search
from search.run.run_folder import RunFolder
from search.tune.capacity import resources_per_trial
from search.tune.tuner import run_session
from trainable.backbones.start import Files
from trainable.errors import InputError
from trainable.files import DiskError
from trainable.trial import ray_worker

pytestmark = pytest.mark.timeout(240)


class Broken(tune.Callback):
    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        raise RuntimeError("a display that fails")


def begin_small_run(folder: Path, **more: Any) -> tuple[RunFolder, SearchPlan]:
    """A run of two folds, before its first trial."""
    write_demo(folder / "demo", num_patients=40, num_test_patients=2, size=48)
    options = SearchOptions.of(
        data=folder / "demo" / "train.csv", weights="none", backbones=("squeezenet1_0",),
        unfreeze=("none",), image_size=32, folds=2, cache=folder / "cache",
        **more,
    )  # fmt: skip
    plan = plan_search(options)
    return run_of(plan, folder / "run"), plan


@pytest.mark.usefixtures("ray_of_tests")
def test_a_failing_trial_is_kept_with_its_error_and_the_others_go_on(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=40, num_test_patients=2, size=48)
    settings = SearchOptions.of(
        data=tmp_path / "demo" / "train.csv",
        weights="none",
        backbones=("squeezenet1_0", "squeezenet1_1"),
        unfreeze=("none",),
        image_size=32,
        epochs=1,
        folds=2,
        cache=tmp_path / "cache",
    )
    prepared = plan_search(settings)
    run = run_of(prepared, tmp_path / "run")
    # weights that were there when the search began, and are gone when a trial wants them
    gone = dataclasses.replace(
        prepared.task.weights,
        start=Files(tmp_path),
        files=dict.fromkeys(prepared.task.weights.encoders, tmp_path / "gone.pth"),
    )
    resources = resources_per_trial(1, 0.25)
    task = dataclasses.replace(prepared.task, weights=gone)

    def run_until(num_trials: int, callback: tune.Callback, **changes: Any) -> str:
        plan = dataclasses.replace(prepared, num_trials=num_trials, **changes)
        return run_session(plan, run, resources, callback)

    run_until(2, tune.Callback(), task=task)
    run_until(4, tune.Callback())
    account = (run.path / "errors" / "trial_00000.txt").read_text()
    assert account.startswith("Traceback (most recent call last):")
    assert "in find_weights" in account or "weights.py" in account
    assert run_until(5, Broken()) == "error"
    assert "a display that fails" in (run.path / "errors" / "search.txt").read_text()
    trials = run.log.table()
    assert trials["state"].tolist() == ["failed", "failed", "complete", "complete"]
    assert trials["error"][0].startswith("ValueError: ")
    assert "gone.pth cannot be read" in trials["error"][0]


@pytest.mark.usefixtures("ray_of_tests")
def test_a_request_that_no_node_can_meet_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="a trial must fit on one node; it asks for 1000"):
        resources_per_trial(1000, 0)
    with pytest.raises(InputError, match=r"asks for 1 CPUs .* and 1 PiB of memory, .*--backbones"):
        resources_per_trial(1, 0, 2**50)
    assert resources_per_trial(1, 0, 2**20).memory == 0, "too little to count"


@pytest.mark.usefixtures("ray_of_tests")
def test_without_gpus_a_trial_is_given_none() -> None:
    assert resources_per_trial(1, 0.25).gpus == 0


@pytest.mark.usefixtures("ray_of_tests")
@pytest.mark.parametrize("how", ["killed", "raises"])
def test_a_worker_that_dies_after_its_last_report_ends_no_trial_twice(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, plan = begin_small_run(tmp_path)

    def report_and_die(config: dict[str, Any], task: Any, shipment: Any) -> None:
        scores = np.zeros(len(task.data.labels), np.float32).tobytes()
        begun = tmp_path / f"begun-{config['number']}"
        # once per trial: a worker that dies before its report arrives is rightly run again
        if how == "killed" and not begun.exists():
            begun.touch()
            threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        try:
            tune.report({"fold": len(task.folds), "objective": 0.5, "scores": scores})
        finally:
            if how == "raises":
                raise RuntimeError("CUDA error")

    monkeypatch.setattr("search.tune.tuner.run_trial", report_and_die)
    resources = resources_per_trial(1, 0.25)
    plan = dataclasses.replace(plan, num_trials=3)
    assert run_session(plan, run, resources, tune.Callback()) == "all"
    trials = run.log.table()
    assert trials["number"].is_unique
    # Ray gives up a trial whose reused worker was dead before it began: it has no row
    assert set(trials["number"]) <= {0, 1, 2}
    assert len(trials) >= (1 if how == "killed" else 3)
    assert set(trials["state"]) == {"complete"}


@pytest.mark.usefixtures("ray_of_tests")
def test_what_the_machine_fails_is_told_from_what_a_configuration_fails(tmp_path: Path) -> None:
    run, plan = begin_small_run(tmp_path, trials=6, trial_timeout=8)

    def act(config: dict[str, Any], task: Any, shipment: Any) -> None:
        """Run a trial whose folds do what its number says."""
        number = config["number"]
        begun = tmp_path / f"begun-{number}-{os.getpid()}"
        is_first = not list(tmp_path.glob(f"begun-{number}-*"))
        begun.touch()

        def run_folds(*_: Any) -> dict[str, Any]:
            if number == 0:
                os.kill(os.getpid(), signal.SIGSTOP)  # as a stalled disk would
            if number == 1 and is_first:
                raise RuntimeError("CUDA error: device-side assert triggered\nCompile with ...")
            if number == 2:
                raise DiskError("there is no space left on the disk of x; name another")
            if number == 3:
                raise ValueError("the trial's own fault")
            scores = np.zeros(len(task.data.labels), np.float32).tobytes()
            return {"fold": len(task.folds), "objective": 0.5, "scores": scores}

        ray_worker._run_folds = run_folds  # type: ignore[assignment]
        ray_worker.run_trial(config, task, shipment)

    resources = resources_per_trial(1, 0.25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("search.tune.tuner.run_trial", act)
        run_session(plan, run, resources, tune.Callback())
    trials = run.log.table().set_index("number")
    states = trials["state"].to_dict()
    assert states == {
        0: "failed", 1: "complete", 2: "lost", 3: "failed", 4: "complete", 5: "complete",
    }  # fmt: skip
    assert trials["error"][0] == "ended after 8s without a report (--trial-timeout)"
    assert trials["error"][2] == "there is no space left on the disk of x; name another"
    assert run.log.num_ended() == 5
    # the process that met the CUDA error ran no trial afterwards
    by_pid = {path.name.split("-")[2] for path in tmp_path.glob("begun-1-*")}
    assert len(by_pid) == 2
