"""Images that are unlike those of the training are named, and refused if that is asked."""

import dataclasses
import functools
import io
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from fixtures.networks import STATISTICS, tiny_config
from fixtures.small_runs import write_run
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file

from analysis import launch as prediction
from analysis.api import load_model
from analysis.export.launch import launch as export
from analysis.guard.fit import fit_guard
from analysis.guard.guard import Features, largest_familiar
from analysis.options import ExportOptions, PredictOptions
from search.demo.films import draw_phantom
from trainable.errors import InputError
from trainable.images.usual_look import UsualLook, look_at
from trainable.run.places import scores_file
from trainable.run.winner import read_winner, save_winner

SIZE, NUM, VISITS = 32, 104, 2
CONFIGS = [
    tiny_config(cut="features.5", head="logistic", image_size=SIZE),
    tiny_config(cut="features.5", unfreeze=1, image_size=SIZE, epochs=1),
]

Pixels = NDArray[np.uint8]
Told = tuple[str, pd.DataFrame]


@functools.cache
def phantoms(first: int, count: int) -> Pixels:
    """Films of patients, each of whom has two."""
    numbers = range(first, first + count)
    return np.stack([draw_phantom(0.2, one // VISITS, one, size=SIZE) for one in numbers])


def odd_ones() -> dict[str, Pixels]:
    """What is no upright chest X-ray."""
    [film] = phantoms(1000, 1)
    return {
        "inverted": 255 - film,
        "turned": np.rot90(film),
        "noise": np.random.default_rng(0).integers(0, 256, film.shape).astype(np.uint8),
        "blank": np.full_like(film, 90),
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 52 patients, and new images: 30 films of others, and odd ones."""
    home = tmp_path_factory.mktemp("home")
    patients = [f"p{number // VISITS}" for number in range(NUM)]
    write_run(home / "run", CONFIGS, {"patient": patients}, images=phantoms(0, NUM))
    looks = UsualLook.of(look_at(phantoms(0, NUM)))
    statistics = dataclasses.replace(STATISTICS, look=looks)
    winner = read_winner(home / "run").model_copy(update={"statistics": statistics})
    save_winner(winner, home / "run")
    scores_file(home / "run", 0).parent.mkdir()
    for number in range(len(CONFIGS)):  # which a page shows beside those of the new images
        scores = np.random.default_rng(number).uniform(size=(NUM, 1))
        np.save(scores_file(home / "run", number), scores.astype(np.float32))
    (home / "new").mkdir()
    films = {f"film{number:02d}": film for number, film in enumerate(phantoms(2000, 30))}
    for name, film in (films | odd_ones()).items():
        Image.fromarray(film).save(home / "new" / f"{name}.png")
    names = [path.name for path in sorted((home / "new").iterdir())]
    labels = pd.DataFrame({"image": names, "died": ["alive", "dead"] * (len(names) // 2)})
    labels.to_csv(home / "labels.csv", index=False)
    return home


def told(home: Path, run: Path, name: str, **options: object) -> Told:
    """What the command says, and the scores."""
    said, out = io.StringIO(), home / f"{name}.csv"
    given = {"images": home / "new", "cache": home / "cache", "seeds": 1, "overwrite": True}
    chosen = {**given, **options}
    if (run / "export.json").exists():
        del chosen["seeds"]
    prediction.launch(run, PredictOptions(out=out, **chosen), Console(file=said, width=500))
    return said.getvalue(), pd.read_csv(home / f"{name}_scores.csv").set_index("image")


@pytest.fixture(scope="module")
def plain(home: Path) -> Told:
    """What the command says without any option, and the scores."""
    return told(home, home / "run", "plain")


def test_odd_images_are_unfamiliar_and_other_films_are_not(plain: Told) -> None:
    said, scores = plain
    unfamiliar = scores.index[scores["familiar"] == "no"]
    assert {f"{name}.png" for name in odd_ones()} <= set(unfamiliar)
    assert scores["score"].notna().all(), "nothing is refused unless that is asked"
    assert len(unfamiliar) - len(odd_ones()) <= 2
    assert f"note: {len(unfamiliar)} of 34 images are unlike those of the training: " in said
    assert "1 that are (nearly) of one grey (blank.png)" in said
    assert "1 that look turned by 90 degrees against the training (turned.png)" in said
    assert "1 that look inverted, or upside down, against the training (inverted.png)" in said
    assert "noise.png). Look at them: their scores may mean nothing" in said
    assert "images that" not in said, "what is said of unfamiliar images is said once"
    assert "cost per image: 1 forward pass of frozen stages, and 1 of trained stages" in said


def test_refused_images_have_empty_cells_and_no_part_in_the_metrics(
    home: Path, plain: Told
) -> None:
    _, before = plain
    is_known = before["familiar"] == "yes"
    said, scores = told(home, home / "run", "b", refuse_unfamiliar=True, labels=home / "labels.csv")
    assert scores["score"].notna().tolist() == is_known.tolist()
    assert scores.loc[is_known, "score"].tolist() == before.loc[is_known, "score"].tolist()
    assert (scores["familiar"] == before["familiar"]).all()
    listed = pd.read_csv(home / "b_left_out.csv")
    assert sorted(listed["image"]) == before.index[~is_known].tolist()
    assert set(listed["reason"]) == {"unlike the images of the training"}
    assert f"{is_known.sum()} images, " in said
    page = (home / "b_report.html").read_text()
    assert f"{is_known.sum()} new images of " in page


def test_the_page_counts_them_and_shows_both_metrics(home: Path) -> None:
    _, scores = told(home, home / "run", "c", labels=home / "labels.csv")
    num_known = (scores["familiar"] == "yes").sum()
    page = (home / "c_report.html").read_text()
    assert f"{34 - num_known} of 34 images are unlike those of the training" in page
    assert f"The {num_known} familiar images alone" in page


def test_python_and_an_exported_team_say_the_same(home: Path, plain: Told) -> None:
    _, expected = plain
    options = ExportOptions(out=home / "team", seeds=1, cache=home / "cache")
    export(home / "run", options, Console(file=io.StringIO()))
    _, scores = told(home, home / "team", "d")
    assert scores["familiar"].tolist() == expected["familiar"].tolist()
    team = load_model(home / "run", seeds=1, cache=home / "cache")
    with pytest.warns(UserWarning, match="of 34 images are unlike those of the training"):
        found = team.predict(home / "new", refuse_unfamiliar=True)
    assert found["familiar"].tolist() == expected["familiar"].tolist()
    assert (found["score"].isna() == (found["familiar"] == "no")).all()
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    assert [one.name for one in session.get_outputs()] == ["score", "familiar"]
    answers = []
    for path in sorted((home / "new").iterdir()):
        with Image.open(path) as image:
            pixels = np.asarray(image, np.float32)[None]
        answers += np.asarray(session.run(None, {"pixels": pixels})[1]).tolist()
    assert answers == (expected["familiar"] == "yes").tolist()
    assert not np.asarray(session.run(None, {"pixels": np.full((1, 9, 9), np.nan, np.float32)})[1])


def test_an_exported_guard_has_no_number_of_a_training_image(home: Path) -> None:
    for file in (home / "team" / "models").rglob("*.safetensors"):
        assert load_file(file)["guard.out_of_fold"].shape == (0,)


def test_models_of_before_have_no_guard_and_it_is_said_how_to_get_one(
    home: Path, plain: Told, tmp_path: Path
) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    for folder in (tmp_path / "run" / "models").glob("trial_*"):
        tensors = load_file(folder / "model.safetensors")
        kept = {key: one for key, one in tensors.items() if not key.startswith("guard.")}
        save_file(kept, folder / "model.safetensors")
        about = json.loads((folder / "model.json").read_text())
        del about["unguarded"]
        (folder / "model.json").write_text(json.dumps(about))
    said, scores = told(tmp_path, tmp_path / "run", "a", images=home / "new")
    assert "no image is compared with those of the training: the models are of an earlier" in said
    assert f"remove {tmp_path / 'run' / 'models'}" in said
    assert "familiar" not in scores
    assert "images that are (nearly) of one grey (1): blank.png" in said, "as rules on pixels say"
    with pytest.raises(InputError, match="--refuse-unfamiliar needs what the models know"):
        told(tmp_path, tmp_path / "run", "b", images=home / "new", refuse_unfamiliar=True)


def test_few_patients_and_wholly_trained_networks_have_no_guard(tmp_path: Path) -> None:
    write_run(tmp_path / "few", CONFIGS[:1])
    (tmp_path / "new").mkdir()
    Image.fromarray(phantoms(1000, 1)[0]).save(tmp_path / "new" / "a.png")
    said, _ = told(tmp_path, tmp_path / "few", "a")
    assert "that takes 50 patients, and the search had 12" in said
    write_run(tmp_path / "whole", [tiny_config(cut="features.2", unfreeze=1, epochs=1)])
    said, _ = told(tmp_path, tmp_path / "whole", "a")
    assert "all stages were trained" in said


def test_where_all_are_unfamiliar_refusing_them_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    Image.fromarray(odd_ones()["noise"]).save(tmp_path / "new" / "noise.png")
    with pytest.raises(InputError, match=r"must leave some image to predict; 1 of 1 image is"):
        told(home, home / "run", "e", images=tmp_path / "new", refuse_unfamiliar=True)


def drawn(num_patients: int, views: int, seed: int) -> tuple[Features, NDArray[np.int64]]:
    """Normal features of three examinations a patient, each patient around a place of their own."""
    rng = np.random.default_rng(seed)
    places = rng.normal(3, 1, (num_patients, 1, views, 60)) * np.linspace(0.1, 2, 60)
    values = places + rng.normal(0, 0.2, (num_patients, 3, views, 60))
    shape = num_patients * 3, views
    present = torch.from_numpy(rng.uniform(size=shape) < 0.9)
    present[:, 0] |= ~present.any(dim=1)
    patients = np.repeat(np.arange(num_patients), 3)
    return Features(torch.from_numpy(values.reshape(*shape, 60)).float(), present), patients


@pytest.mark.parametrize("views", [1, 2])
def test_few_examinations_of_other_patients_are_beyond_the_limit(views: int) -> None:
    shares = []
    for seed in range(10):
        features, patients = drawn(80, views, seed)
        guard = fit_guard(features, patients)
        others, _ = drawn(400, views, 100 + seed)
        limit = largest_familiar(guard.out_of_fold.numpy())
        shares.append((guard.distance(others) > limit).float().mean())
    assert 0.002 < np.mean(shares) <= 0.02


def test_a_view_that_is_another_kind_of_image_is_found_whatever_the_others_are() -> None:
    features, patients = drawn(80, 2, 0)
    guard = fit_guard(features, patients)
    others, _ = drawn(20, 2, 1)
    values, present = others.values.clone(), torch.ones_like(others.present)
    values[:, 1] = values[:, 1].flip(dims=[1])
    swapped = guard.distance(Features(values, present))
    assert (swapped > 1).all()
    present[:, 1] = False
    assert (guard.distance(Features(values, present)) <= swapped).all()
    assert (guard.distance(Features(values, present)) <= 1).float().mean() > 0.9


def test_a_view_of_few_patients_knows_every_image() -> None:
    features, patients = drawn(80, 2, 0)
    present = torch.ones_like(features.present)
    present[:, 1] = torch.from_numpy(patients < 40)
    guard = fit_guard(Features(features.values, present), patients)
    others, _ = drawn(20, 2, 1)
    present = torch.zeros_like(others.present)
    present[:, 1] = True
    values = others.values.flip(dims=[2])
    assert (guard.distance(Features(values, present)) == 0).all()
    assert (guard.distance(Features(values, ~present)) > 1).all()


def test_images_that_are_all_the_same_have_a_guard_of_finite_numbers() -> None:
    same = Features(torch.ones(60, 1, 60), torch.ones(60, 1, dtype=torch.bool))
    guard = fit_guard(same, np.arange(60))
    assert all(torch.isfinite(one).all() for one in dataclasses.astuple(guard))
    assert torch.isfinite(guard.distance(drawn(5, 1, 0)[0])).all()
