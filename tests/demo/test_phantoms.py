"""The synthetic demo cohort: what it shows, and how well it can be predicted."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from search.demo.films import Film, draw_phantom, write_films
from search.demo.phantoms import best_possible_f1, sample_patients, write_demo
from search.demo.signs import Signs
from trainable.evaluation.metrics import all_positive_f1
from trainable.evaluation.scoring import Scoring

SIZE = 64


def _spearman(first: list[float], second: list[float]) -> float:
    ranks = pd.DataFrame({"first": first, "second": second}).rank().to_numpy()
    return float(np.corrcoef(ranks.T)[0, 1])


def _lung_whiteness(film: NDArray[np.uint8]) -> float:
    """Grey of the lung fields as a share of the way from the darkest to the brightest tissue."""
    rows, side = slice(SIZE // 4, SIZE * 11 // 20), SIZE // 5
    lungs = float(np.mean([film[rows, side : side * 2], film[rows, -side * 2 : -side]]))
    dark, bright = np.quantile(film, 0.02), np.quantile(film, 0.98)
    return float((lungs - dark) / (bright - dark))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parent") / "demo"
    write_demo(folder, num_patients=12, num_test_patients=8, size=SIZE, seed=3)
    return folder


def test_phantom_is_a_square_of_grey_levels_and_nonsense_is_refused() -> None:
    for size in (32, 63, 160):
        film = draw_phantom(0.5, 1, 2, size)
        assert (film.shape, film.dtype.name) == ((size, size), "uint8")
        assert film.min() < 60 < 180 < film.max()
    for severity, size in ((-0.01, 64), (1.01, 64), (float("nan"), 64), (0.5, 31)):
        with pytest.raises(ValueError, match="severity in"):
            draw_phantom(severity, 1, 2, size)


def test_same_arguments_same_pixels_and_each_argument_matters() -> None:
    film = draw_phantom(0.5, 1, 2, SIZE)
    assert np.array_equal(film, draw_phantom(0.5, 1, 2, SIZE))
    for other in ((0.6, 1, 2), (0.5, 3, 2), (0.5, 1, 4)):
        assert not np.array_equal(film, draw_phantom(*other, SIZE))


def test_pixels_stay_what_they_were_on_every_machine() -> None:
    # Written down once; means of columns, so that only a changed picture fails, not a last digit.
    means = draw_phantom(0.7, 11, 12, SIZE).reshape(64, 8, 8).mean(axis=(0, 2))
    expected = [110.81, 119.12, 120.70, 162.74, 175.58, 114.87, 97.03, 113.85]
    assert means.tolist() == pytest.approx(expected, abs=0.1)


def test_lungs_are_darker_than_what_surrounds_them() -> None:
    for seed in range(8):
        film = draw_phantom(0.0, seed, seed + 50, SIZE)
        spine = film[SIZE // 3 : SIZE // 2, SIZE * 15 // 32 : SIZE * 17 // 32].mean()
        belly = film[-SIZE // 10 :, SIZE // 4 : -SIZE // 4].mean()
        lungs = film[SIZE // 3 : SIZE // 2, [SIZE * 3 // 10, SIZE * 7 // 10]].mean()
        assert lungs + 50 < min(spine, belly)


def test_lungs_whiten_with_severity_in_one_patient() -> None:
    levels = np.linspace(0.0, 1.0, 9).tolist()
    for seed in range(5):
        whiteness = [_lung_whiteness(draw_phantom(level, seed, seed + 9, SIZE)) for level in levels]
        assert _spearman(levels, whiteness) > 0.9


def test_severity_shows_across_patients_but_not_in_the_mean_grey() -> None:
    levels = np.random.default_rng(0).uniform(size=150).tolist()
    films = [draw_phantom(level, i, 1000 + i, SIZE) for i, level in enumerate(levels)]
    assert _spearman(levels, [_lung_whiteness(film) for film in films]) > 0.6
    assert abs(_spearman(levels, [float(film.mean()) for film in films])) < 0.5


def test_two_days_of_a_patient_are_more_alike_than_two_patients() -> None:
    def likeness(first: int, second: int) -> float:
        films = draw_phantom(0.0, first, 100, SIZE), draw_phantom(0.0, second, 200, SIZE)
        return float(np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1])

    same, others = ([likeness(i, i + step) for i in range(20)] for step in (0, 1))
    assert np.mean(same) > np.mean(others) + 0.01


def test_images_of_a_patient_share_label_probability_and_anatomy() -> None:
    table = sample_patients(300, seed=1)
    by_patient = table.groupby("patient")
    assert (by_patient[["died", "probability", "anatomy_seed"]].nunique() == 1).all(axis=None)
    assert set(by_patient.size()) == {1, 2, 3, 4}
    assert table["anatomy_seed"].nunique() == len(by_patient) == 300
    assert table[["image", "day_seed"]].nunique().tolist() == [len(table)] * 2
    assert table["severity"].between(0.0, 1.0).all()
    assert set(table["died"]) == {0, 1}


def test_patients_are_reproducible_and_more_of_them_only_add_rows() -> None:
    few = sample_patients(20, seed=1)
    assert few.equals(sample_patients(20, seed=1))
    assert few.equals(sample_patients(40, seed=1).head(len(few)))
    assert not few["severity"].equals(sample_patients(20, seed=2)["severity"])


def test_severity_of_a_patient_is_correlated_between_days() -> None:
    days = sample_patients(1500, seed=1).groupby("patient")["severity"].agg(["first", "last"])
    pairs = days[days["first"] != days["last"]]
    assert len(pairs) > 400
    assert 0.8 < _spearman(pairs["first"].tolist(), pairs["last"].tolist()) < 0.99


def test_deaths_agree_with_a_probability_that_is_logistic_in_mean_severity() -> None:
    groups = sample_patients(5000, seed=2).groupby("patient")
    patients = groups[["probability", "died"]].first().assign(severity=groups["severity"].mean())
    patients["logit"] = -np.log(1.0 / patients["probability"] - 1.0)
    assert patients.corr().loc["severity", "logit"] == pytest.approx(1.0, abs=1e-9)
    bins = pd.cut(patients["probability"], [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
    for _, rows in patients.groupby(bins, observed=True):
        spread = float((rows["probability"] * (1.0 - rows["probability"])).sum()) ** 0.5
        assert abs(rows["died"].sum() - rows["probability"].sum()) < 4.0 * spread


def test_default_cohort_is_learnable_but_neither_trivial_nor_hopeless() -> None:
    # Many patients, so that it tells about the settings and not about one draw.
    table = sample_patients(4000, seed=5)
    assert 0.15 < table["died"].mean() < 0.2
    best = best_possible_f1(table["probability"].to_numpy(), table["patient"].to_numpy(), 200)
    assert 0.7 < best < 0.8
    assert best > all_positive_f1(table[["died"]].to_numpy(), Scoring()) + 0.3


def test_the_best_possible_f1_of_sure_and_of_equal_chances() -> None:
    groups = np.array(["a", "b", "b", "c", "d"])
    assert best_possible_f1(np.array([0.0, 1.0, 1.0, 0.0, 1.0]), groups) == 1.0
    for chance in (0.1, 0.3, 0.8):  # Nothing is better than calling every image positive.
        best = best_possible_f1(np.full(4000, chance), np.arange(4000), num_draws=200)
        assert best == pytest.approx(2.0 * chance / (1.0 + chance), abs=0.005)


def test_best_possible_f1_of_a_case_worked_by_hand() -> None:
    # One sure death, and one patient of three images who dies half the time. Calling the first
    # alone gives 1 or 2 / 5, calling both gives 2 / 5 or 1; drawn image by image it would be 0.75.
    chance, groups = np.array([1.0, 0.5, 0.5, 0.5]), np.array([7, 9, 9, 9])
    assert best_possible_f1(chance, groups, num_draws=20000) == pytest.approx(0.7, abs=0.01)
    # Twenty patients of one image and one of forty are alike: parting them would give 0.52.
    who = np.repeat(np.arange(22), [5] + [1] * 20 + [40])
    best = best_possible_f1(np.where(who == 0, 1.0, 0.33), who, num_draws=20000)
    assert best == pytest.approx(0.49, abs=0.01)


def test_best_possible_f1_is_the_most_that_any_threshold_or_other_score_reaches() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(60, size=150)
    by_group = rng.beta(0.5, 1.5, size=60)
    chance = by_group[groups]
    best = best_possible_f1(chance, groups)
    dead = (rng.random((2000, 60)) < by_group)[:, groups]

    def reached(scores: NDArray[np.float64]) -> float:
        calls = [scores >= threshold for threshold in scores]
        f1 = [2.0 * (dead & c).sum(axis=1) / (c.sum() + dead.sum(axis=1)) for c in calls]
        return float(np.mean(f1, axis=1).max())

    assert best == pytest.approx(reached(chance), abs=0.01)
    assert best > reached(chance + rng.normal(0.0, 0.15, size=60)[groups])
    assert best > np.mean(
        [all_positive_f1(draw.astype(np.int64)[:, None], Scoring()) for draw in dead]
    )
    assert best_possible_f1(chance[::-1], groups[::-1]) == best


def test_best_possible_f1_refuses_what_has_no_meaning() -> None:
    groups = np.array([1, 1, 2])
    for chance in ([0.5], [[0.5] * 3], [0.5, 0.6, 0.5], [0.5, 0.5, 1.1], [-0.1] * 3, [np.nan] * 3):
        with pytest.raises(ValueError, match="need"):
            best_possible_f1(np.array(chance), groups)
    with pytest.raises(ValueError, match="need"):
        best_possible_f1(np.array([]), groups[:0])


def test_demo_folder_holds_what_it_promises(demo: Path) -> None:
    names = ["prediction_example.csv", "test_labels.csv", "train.csv", "truth.csv"]
    template, labels, train, truth = (pd.read_csv(demo / name) for name in names)
    assert sorted(path.name for path in demo.iterdir()) == sorted([*names, "train", "test"])
    assert list(train.columns) == list(labels.columns) == ["image", "died", "patient"]
    assert list(template.columns) == ["image", "died"]
    assert list(truth.columns) == ["image", "patient", "probability", "severity", "split"]
    for split, table in (("train", train), ("test", labels)):
        on_disk = sorted(path.name for path in (demo / split).iterdir())
        assert table["image"].tolist() == on_disk
        assert truth.loc[truth["split"] == split, "image"].tolist() == on_disk
    assert template["image"].tolist() == labels["image"].tolist()
    assert (template["died"] == 0).all()
    with Image.open(demo / "test" / template["image"][0]) as film:
        assert (film.mode, film.size, film.format) == ("L", (SIZE, SIZE), "PNG")


def test_no_patient_is_in_both_splits_and_test_names_tell_nothing(demo: Path) -> None:
    train, labels = pd.read_csv(demo / "train.csv"), pd.read_csv(demo / "test_labels.csv")
    assert (train["patient"].nunique(), labels["patient"].nunique()) == (12, 8)
    assert not set(train["patient"]) & set(labels["patient"])
    assert labels["image"].str.fullmatch(r"test_\d{4}\.png").all()
    assert not labels["patient"].is_monotonic_increasing


def test_files_hold_the_phantoms_and_labels_of_the_cohort(demo: Path) -> None:
    cohort, truth = sample_patients(20, seed=3), pd.read_csv(demo / "truth.csv")
    rows = truth.merge(cohort, on=["patient", "severity"], suffixes=("", "_drawn"))
    assert len(rows) == len(truth) == len(cohort)
    assert np.allclose(rows["probability"], rows["probability_drawn"])
    labels = pd.concat([pd.read_csv(demo / name) for name in ("train.csv", "test_labels.csv")])
    assert rows["died"].tolist() == labels.set_index("image")["died"][rows["image"]].tolist()
    for _, row in rows.iterrows():
        film = draw_phantom(row["severity"], row["anatomy_seed"], row["day_seed"], SIZE)
        with Image.open(demo / row["split"] / row["image"]) as written:
            assert np.array_equal(np.asarray(written), film)


def test_same_seed_same_demo_also_into_an_empty_folder(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    write_demo(tmp_path / "again", num_patients=12, num_test_patients=8, size=SIZE, seed=3)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    for path in demo.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(demo)).read_bytes() == path.read_bytes()


def test_folder_with_content_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("keep")
    for taken in (tmp_path, mine):
        with pytest.raises(FileExistsError, match="name another folder or delete it"):
            write_demo(taken, num_patients=2, num_test_patients=1, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert mine.read_text() == "keep"


def test_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size"):
        write_demo(tmp_path / "new" / "demo", num_patients=2, num_test_patients=1, size=8)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("number", [3, 201])
def test_films_are_drawn_by_whoever_has_time(tmp_path: Path, number: int) -> None:
    films = {f"{day}.png": Film(0.5, 7, day, Signs(nodule=day / number)) for day in range(number)}
    write_films(tmp_path, films, 32)
    assert {path.name for path in tmp_path.iterdir()} == films.keys()
    for name, film in films.items():
        with Image.open(tmp_path / name) as written:
            assert np.array_equal(np.asarray(written), film.draw(32))


def test_the_second_process_draws(tmp_path: Path) -> None:
    asked = pickle.dumps((tmp_path, {"one.png": Film(0.5, 7, 1)}, 32))
    subprocess.run([sys.executable, "-P", "-m", "search.demo.films"], input=asked, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_what_the_second_process_cannot_do_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        write_films(tmp_path, {f"absent/{day}.png": Film(0.5, 7, day) for day in range(200)}, 32)
