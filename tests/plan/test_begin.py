"""A search is begun once and resumed with what may change, without a cluster."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from search.options.options import SearchOptions
from search.plan.begin import begin, resume
from search.plan.planner import plan_search
from search.run.run_folder import RunFolder
from search.terminal import plan_lines as terminal
from search.terminal.plan_lines import plan_lines
from trainable.backbones.encoder import find_backbone
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import seen_rows
from trainable.errors import InputError


@pytest.fixture
def run(xray_csv: Path, tmp_path: Path) -> RunFolder:
    """A new search of 24 images, which its process has left."""
    asked = SearchOptions.of(
        data=xray_csv, weights="none", backbones="squeezenet1_0", image_size=32, folds=2,
        repeats=1, cache=tmp_path / "cache", trials=5, seed=3,
    )  # fmt: skip
    folder, plan = begin(asked, tmp_path / "run")
    assert (plan.num_trials, plan.options) == (5, asked)
    folder.release()
    return folder


def test_the_plan_of_a_resumed_search_is_that_of_the_first(run: RunFolder) -> None:
    folder, plan = resume(SearchOptions(), None, run.path)
    assert (plan.num_trials, plan.task.seed, len(plan.task.folds)) == (5, 3, 2)
    assert plan.space.values("image_size") == (32,)
    folder.release()


def test_the_memory_of_a_trial_is_said_where_it_is_much(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, plan = resume(SearchOptions(), None, run.path)
    folder.release()
    backbone = find_backbone("squeezenet1_0")
    assert plan.trial_bytes == 12 * backbone.pooled_width("features") * 20, "of 12 training rows"
    assert not any("of memory" in line for line in plan_lines(plan))
    monkeypatch.setattr(terminal, "_MUCH_MEMORY", 0)
    assert any("as many trials run at a time as have room" in line for line in plan_lines(plan))


def test_what_no_score_depends_on_may_change_and_the_rest_may_be_repeated(run: RunFolder) -> None:
    given = SearchOptions.of(trials=9, time_budget="none", image_size=32, seed=3)
    folder, plan = resume(given, run.path, run.path)
    assert (plan.num_trials, plan.options.run.time_budget) == (9, None)
    folder.release()
    assert resume(SearchOptions(), None, run.path)[1].num_trials == 5


def test_moved_images_and_another_cache_are_named_when_resuming(
    run: RunFolder, xray_csv: Path, tmp_path: Path
) -> None:
    moved = xray_csv.with_suffix("").rename(tmp_path / "moved")
    with pytest.raises(InputError, match="name the folder where they are now with --images"):
        resume(SearchOptions(), None, run.path)
    given = SearchOptions.of(images=moved, cache=tmp_path / "other")
    folder, plan = resume(given, None, run.path)
    assert {Path(path).parent for path in plan.task.data.paths} == {moved}
    assert plan.task.cache == tmp_path / "other"
    folder.release()
    again = resume(SearchOptions(), None, run.path)[1]
    assert again.task.data.paths == plan.task.data.paths


def test_every_change_of_a_score_is_refused(run: RunFolder, tmp_path: Path) -> None:
    given = SearchOptions.of(seed=4, folds=3, image_size=48, epochs=2)
    with pytest.raises(InputError) as caught:
        resume(given, tmp_path / "other", run.path)
    kept = [problem.split(" cannot change")[0] for problem in caught.value.problems]
    assert sorted(kept) == sorted(
        [
            "--seed 3",
            "--folds 2",
            f"--out {run.path}",
            "image_size: 32",
            "epochs: 5, 10, 20 or auto",
        ]
    )


def test_a_list_of_rows_runs_all_its_rows_unless_fewer_are_asked_for(
    xray_csv: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.yaml"
    rows.write_text("base: {image_size: 32}\nrows: [{epochs: 1}, {epochs: 2}, {epochs: 3}]\n")
    options: dict[str, object] = {"data": xray_csv, "weights": "none", "space": rows, "folds": 2}
    options["cache"] = tmp_path / "cache"
    folder, plan = begin(SearchOptions.of(**options), tmp_path / "run")
    folder.release()
    assert plan.num_trials == 3
    assert resume(SearchOptions(), None, folder.path)[1].num_trials == 3
    folder.release()
    with pytest.raises(InputError, match=r"--trials must be at most the 3 rows \(got 4\)"):
        begin(SearchOptions.of(**options, trials=4), tmp_path / "more")
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("grouped", [False, True])
def test_a_copy_under_another_patient_is_told_or_kept_on_one_side(
    xray_csv: Path, tmp_path: Path, grouped: bool
) -> None:
    images = xray_csv.with_suffix("")
    with Image.open(images / "patient009_0.png") as image:
        image.save(images / "patient010_0.png", compress_level=1)
    asked = SearchOptions.of(
        data=xray_csv, weights="none", backbones="squeezenet1_0", image_size=32, folds=2,
        repeats=1, cache=tmp_path / "cache", group_duplicates=grouped,
    )  # fmt: skip
    folder, plan = begin(asked, tmp_path / "run")
    folder.release()
    told = [note for note in plan.odd_images if "patient009_0.png and patient010_0.png" in note]
    assert bool(told) is not grouped
    assert plan.cohort.manifest["patient"].nunique() == 12 - grouped
    resumed, again = resume(SearchOptions(), None, tmp_path / "run")
    resumed.release()
    assert again.cohort.digest == plan.cohort.digest
    assert len(again.odd_images) == len(plan.odd_images)


def test_the_plan_names_a_column_that_predicts_the_label(xray_csv: Path, tmp_path: Path) -> None:
    table = pd.read_csv(xray_csv)
    is_positive = table["died"] == 1
    table["view"] = is_positive.map({True: "AP", False: "PA"})
    table["sex"] = ["F", "M"] * (len(table) // 2)
    table.to_csv(xray_csv, index=False)
    asked = SearchOptions.of(
        data=xray_csv, weights="none", backbones="squeezenet1_0", image_size=32, folds=2,
        cache=tmp_path / "cache",
    )  # fmt: skip
    folder, plan = begin(asked, tmp_path / "run")
    folder.release()
    said = [line for line in plan_lines(plan) if "alone has an AUC" in line]
    assert len(said) == 1
    assert said[0].startswith("note: view alone has an AUC of 1.00")
    assert list(Cohort.load(folder.path).covariates) == ["sex", "view"]


def test_test_rows_are_in_no_fold_and_no_statistic(xray_csv: Path, tmp_path: Path) -> None:
    table = pd.read_csv(xray_csv, dtype=str)
    is_test = table["patientid"].isin(["002", "005", "012"])
    table[~is_test].to_csv(tmp_path / "alone.csv", index=False)
    table.assign(split=is_test.map({True: "test", False: "train"})).to_csv(xray_csv, index=False)

    def asked(data: Path, **options: str) -> SearchOptions:
        return SearchOptions.of(
            data=data, images=tmp_path / "chests", weights="none", backbones="squeezenet1_0",
            image_size=32, folds=3, repeats=2, cache=tmp_path / "cache", **options,
        )  # fmt: skip

    folder, plan = begin(asked(xray_csv, split="keep"), tmp_path / "run")
    folder.release()
    alone = plan_search(asked(tmp_path / "alone.csv"))
    seen = seen_rows(plan.cohort)
    assert plan.task.data.held_out.tolist() == np.flatnonzero(is_test).tolist()
    assert plan.task.data.statistics == alone.task.data.statistics
    folder, again = resume(SearchOptions(), None, tmp_path / "run")
    folder.release()
    for task in (plan.task, again.task):
        for fold, other in zip(task.folds, alone.task.folds, strict=True):
            assert fold.train.tolist() == seen[other.train].tolist()
            assert fold.valid.tolist() == seen[other.valid].tolist()
    said = (
        "each scored out of fold on 3 folds of train, drawn 2 times: train 18 images (6 positive), "
        "test 6 images (2 positive) for the end; "
    )
    assert any(said in line for line in plan_lines(plan))


def test_unknown_names_and_wrong_files_are_told_at_once(xray_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    names = ["resnet81", "raddino", f"resnet18@{tmp_path / 'text.pth'}", "xrv/resnet50-res512-all"]
    asked = SearchOptions.of(data=xray_csv, backbones=names, folds=4, cache=tmp_path / "cache")
    with pytest.raises(InputError) as caught:
        begin(asked, tmp_path / "run")
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == len(names)
    for words in ("'resnet18'?", "'rad-dino'?", "text.pth cannot be read", "-all@FILE"):
        assert words in found
    assert not (tmp_path / "run").exists()
