"""New images that are unlike those of the training are named, on the terminal and from Python."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.networks import tiny_config
from fixtures.small_runs import write_run
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from analysis import launch as prediction
from analysis import load_model
from analysis.options import PredictOptions
from search.demo.films import draw_phantom
from trainable.images.outliers import describe_oddities, describe_unlike, odd_images
from trainable.images.pixels import (
    cohort_limits,
    count_greys,
    load_pixels,
    load_surveys,
    pixel_statistics,
)
from trainable.images.preprocessing import PixelStatistics, Square
from trainable.images.usual_look import UsualLook, look_at
from trainable.reading.image_files import hash_files
from trainable.run.winner import read_winner, save_winner
from trainable.store.arrays import ArrayStore

SIZE = 64
Values = NDArray[np.uint16]
Change = Callable[[Values], Values]


def phantoms(first: int) -> list[Values]:
    """Twelve films of a detector of 12 bits."""
    greys = (draw_phantom(0.2, seed, seed, size=SIZE) for seed in range(first, first + 12))
    return [np.asarray(grey, np.uint16) * 16 for grey in greys]


def saved(folder: Path, images: list[Values]) -> list[str]:
    folder.mkdir()
    paths = [str(folder / f"{number:02d}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def statistics_of(paths: list[str], store: ArrayStore) -> PixelStatistics:
    hashes = hash_files(paths)
    limits = cohort_limits(load_surveys(paths, hashes, store))
    pixels = load_pixels(paths, hashes, Square(SIZE), store, limits)
    return pixel_statistics(count_greys(pixels), limits, UsualLook.of(look_at(pixels)))


@pytest.fixture
def training(tmp_path: Path) -> PixelStatistics:
    return statistics_of(saved(tmp_path / "old", phantoms(0)), ArrayStore(tmp_path / "cache"))


def told(folder: Path, training: PixelStatistics, images: list[Values]) -> list[str]:
    store, paths = ArrayStore(folder / "cache"), saved(folder / "new", images)
    hashes = hash_files(paths)
    pixels = load_pixels(paths, hashes, Square(SIZE), store, training.limits)
    names, surveys = [Path(path).name for path in paths], load_surveys(paths, hashes, store)
    looks = look_at(pixels)
    each = describe_oddities(names, odd_images(surveys, looks, training))
    return [*describe_unlike(names, surveys, looks, training), *each]


def test_images_as_in_the_training_are_no_note(tmp_path: Path, training: PixelStatistics) -> None:
    assert training.look is not None
    assert training.look.is_common
    assert told(tmp_path, training, phantoms(100)) == []


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda image: 4095 - image, "look inverted, or upside down, against the training (12)"),
        (np.rot90, "look turned by 90 degrees against the training (12)"),
        (lambda image: image[::-1, ::-1], "look upside down against the training (12)"),
        (lambda image: image * 16, "whose values are beyond the black and white of the training"),
        (lambda image: image // 8, "darker as a whole than those of the training"),
        (lambda image: image // 2 + 2047, "brighter as a whole than those of the training"),
        (lambda image: image * 0 + 900, "are (nearly) of one grey (12)"),
        (lambda image: image[:, :20], "2 times as long as wide"),
    ],
)
def test_films_unlike_the_training_are_named(
    tmp_path: Path, training: PixelStatistics, change: Change, note: str
) -> None:
    notes = told(tmp_path, training, [change(image) for image in phantoms(100)])
    assert any(note in one for one in notes), notes


def test_one_odd_film_is_named_though_there_is_no_rest(
    tmp_path: Path, training: PixelStatistics
) -> None:
    (note,) = told(tmp_path, training, [4095 - phantoms(100)[0]])
    assert note.endswith("against the training (1): 00.png")


def test_deep_films_after_a_training_of_8_bits_are_named(
    tmp_path: Path, training: PixelStatistics
) -> None:
    shallow = PixelStatistics(training.mean, training.std, None, training.look)
    notes = told(tmp_path, shallow, phantoms(100))
    assert any("more than 8 bits, which the training lacks (12)" in note for note in notes)


def test_the_command_and_python_say_what_is_unlike(
    tmp_path: Path, training: PixelStatistics
) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    write_run(run, [tiny_config()])
    # a winner of an earlier version knows no look, and is read
    file = run / "winner.json"
    record = json.loads(file.read_text())
    del record["statistics"]["look"]
    file.write_text(json.dumps(record))
    winner = read_winner(run)
    assert winner.statistics.look is None
    save_winner(winner.model_copy(update={"statistics": training}), run)
    assert read_winner(run).statistics == training
    saved(new, [4095 - image for image in phantoms(100)])
    said = io.StringIO()
    options = PredictOptions(images=new, out=tmp_path / "p.csv", cache=tmp_path / "cache")
    prediction.launch(run, options, Console(file=said, width=200))
    assert "note: images that look inverted, or upside down, against the training (12)" in (
        said.getvalue()
    )
    team = load_model(run, cache=tmp_path / "cache")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        team.predict(new)
    assert any("look inverted" in str(warning.message) for warning in caught)
