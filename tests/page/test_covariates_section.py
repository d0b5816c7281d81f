"""The section on the covariates: what it says, its strata, and table 1."""

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.scored import Scored
from trainable.cohort.splits import make_folds
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import auc, f1_at
from trainable.evaluation.scoring import Scoring
from trainable.report.covariates import covariates_section, table_one
from trainable.report.page import Section

RNG = np.random.default_rng(0)
LABELS = np.tile([0, 0, 1], 30)
GOOD = np.clip(0.3 + 0.4 * LABELS + RNG.normal(0, 0.15, 90), 0, 1).astype(np.float32)
SEX = np.where(np.arange(90) < 10, "", np.where(RNG.random(90) < 0.5, "F", "M"))
SITE = np.where((LABELS == 0) & (np.arange(90) % 2 == 0), "only alive", "both")


def cohort(split: str = "", **columns: object) -> Cohort:
    manifest = pd.DataFrame(
        {
            "image": [str(number) for number in range(90)],
            "label": LABELS,
            "patient": [f"p{number}" for number in range(90)],
            "split": split,
            **{f"covariate:{name}": values for name, values in columns.items()},
        }
    )
    return Cohort(manifest, (LabelRule(("alive", "dead")),))


def section(cohort: Cohort, scores: np.ndarray) -> Section:
    return covariates_section(cohort, make_folds(cohort, 3, 0), scores[:, None], HALF)


HALF = f1_at(np.array([0.5], np.float32), Scoring())
AGES = [str(age) for age in range(90)]


def test_an_image_that_knows_more_adds_and_one_that_knows_nothing_does_not() -> None:
    known = cohort(age=AGES, sex=SEX)
    adding = section(known, GOOD)
    assert adding.paragraphs[0].startswith("The image adds to the columns")
    noise = RNG.random(90).astype(np.float32)
    assert section(known, noise).paragraphs[0].startswith("It is not shown that the image adds")
    aucs = adding.tables[0].frame.set_index("score of")["AUC"]
    alone = estimate(Scored(LABELS[:, None], np.arange(90), GOOD[:, None]), {"image": auc})
    assert aucs["image"] == alone["image"].value
    assert list(aucs.index) == [
        "age alone", "sex alone", "all columns", "image", "image and all columns"
    ]  # fmt: skip


def test_to_beat_worthless_columns_is_not_enough() -> None:
    known = cohort(ward=(np.arange(90) // 3 % 2).astype(str))  # as often in both classes
    weak = np.random.default_rng(29).random(90) * 0.8 + 0.12 * LABELS
    found = section(known, weak.astype(np.float32))
    assert found.tables[1].frame["95 % CI"].iloc[-1].startswith("+")
    assert found.paragraphs[0].startswith("It is not shown that the image adds")


def test_every_image_is_in_one_stratum_of_each_column() -> None:
    found = section(cohort(age=AGES, sex=SEX, site=SITE), GOOD).tables[2].frame
    assert found.groupby("column")["images"].sum().to_dict() == {"age": 90, "sex": 90, "site": 90}
    assert list(found.loc[found["column"] == "age", "value"]) == [
        "0 to 29", "30 to 59", "60 to 89"
    ]  # fmt: skip
    by_value = found.set_index("value")
    assert by_value["images"]["missing"] == 10
    assert by_value["F1"]["only alive"] == by_value["AUC"]["only alive"] == "one class only"
    is_female = SEX == "F"
    f1 = f1_score(LABELS[is_female], GOOD[is_female] >= 0.5)
    assert by_value["F1"]["F"].startswith(f"{f1:.3f} (")
    assert by_value["positive"]["F"] == LABELS[is_female].sum()


def test_numbers_that_are_equal_are_in_one_third() -> None:
    numbers = np.where(np.arange(90) < 80, 50, np.arange(90))
    found = section(cohort(age=numbers.astype(str)), GOOD).tables[2].frame
    assert list(found["value"]) == ["50 to 50", "80 to 89"]
    assert list(found["images"]) == [80, 10]


def test_one_split_has_no_score_of_both() -> None:
    split = np.where(np.arange(90) < 60, "train", "valid")
    known = cohort(age=AGES, sex=SEX)
    known = Cohort(known.manifest.assign(split=split), known.label_rules)
    scores = np.where(split == "valid", GOOD, np.nan).astype(np.float32)
    found = section(known, scores)
    assert "with one split" in found.paragraphs[0]
    assert "image and all columns" not in set(found.tables[0].frame["score of"])
    assert found.tables[2].frame["images"].sum() == 2 * 30


def test_without_columns_the_section_says_so() -> None:
    found = section(cohort(), GOOD)
    assert (len(found.paragraphs), len(found.tables)) == (1, 0)


def test_table_one_counts_each_class_and_what_is_missing() -> None:
    columns = cohort(age=["", *AGES[1:]], sex=SEX).covariates
    outcomes = {"negative (alive)": LABELS == 0, "positive (dead)": LABELS == 1}
    found = table_one(columns, outcomes, "images").frame
    found = found.set_index("characteristic")
    assert list(found.loc["images"]) == ["60", "30", "90"]
    ages = np.arange(1, 90)
    assert found.loc["age, mean (SD)", "all"] == f"{ages.mean():.1f} ({ages.std(ddof=1):.1f})"
    assert found.loc["age, missing", "negative (alive)"] == "1 (1.7 %)"
    of_dead = SEX[LABELS == 1]
    known = (of_dead != "").sum()
    females = (of_dead == "F").sum()
    assert found.loc["sex: F", "positive (dead)"] == f"{females} ({100 * females / known:.1f} %)"
