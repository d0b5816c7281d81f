"""The table by encoder: the best trial of each, and what all its trials cost."""

import dataclasses
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.winners import make_winner
from rich.console import Console

from search.options.options import SearchOptions
from search.results.search_result import PASSES, SECONDS, TIED, SearchResult, by_body, by_encoder
from search.run.run_folder import RunFolder
from search.terminal.display import encoder_table
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.images.perceptual_hash import HOW_SURE
from trainable.run.winner import TiedTrial

LABELS = np.repeat([0, 1], [12, 8])
OWN = "squeezenet1_0@/weights/squeezenet1_0-of-a-hospital.pth"


@pytest.fixture
def result(tmp_path: Path, make_cohort: Callable[..., Cohort]) -> SearchResult:
    """Two trials of an encoder with weights of its own, one of another, and one that failed."""
    run = RunFolder(tmp_path)
    run.log.create()
    found = [(OWN, "features", 0.8), (OWN, "features.5", 0.9), ("resnet18", "layer4", 0.7)]
    for number, (backbone, cut, f1) in enumerate(found, start=3):
        config = TrialConfig(backbone=backbone, cut=cut).model_dump()
        metrics: dict[str, Any] = {
            "f1": f1,
            "auc": f1,
            "objective": f1,
            "threshold": 0.5,
            "seconds": 2.5,
        }
        metrics |= {"num_forwarded": 20 * (number == 3), "weights": "none"}
        if backbone == OWN:
            metrics["weights"] = OWN.partition("@")[2]
        scores = np.where(LABELS == 1, 0.9, 0.1).astype(np.float32)
        run.log.add(number, "complete", config, metrics, scores=scores[:, None])
    config = TrialConfig(backbone="resnet18", cut="layer4").model_dump()
    run.log.add(6, "failed", config, {"seconds": 1.0, "num_forwarded": 1000})
    tied = TiedTrial(trial=4, config=TrialConfig(), num_steps=1, f1=0.9)
    winner = make_winner(TrialConfig(), tied=(tied,))
    options = SearchOptions.of(cpus_per_trial=2)
    return SearchResult(run, options, make_cohort(LABELS), winner, run.log.table())


def test_the_best_trial_of_each_encoder_comes_with_the_cost_of_all_its_trials(
    result: SearchResult,
) -> None:
    own, resnet = by_encoder(result).to_dict("records")
    assert (own["network"], own["weights"]) == ("squeezenet1_0", "squeezenet1_0-of-a-hospital.pth")
    assert (own["trial"], own["F1"], own[TIED]) == (4, 0.9, "yes")
    assert own["95 % CI"] == "1.000 to 1.000"
    assert (own[PASSES], own[SECONDS]) == ("20", "10")
    assert (resnet["network"], resnet["trial"], resnet[TIED]) == ("resnet18", 5, "no")
    assert (resnet[PASSES], resnet[SECONDS]) == ("1,000", "7")


def test_each_body_has_a_row_of_its_own(result: SearchResult) -> None:
    assert list(by_body(result)["cut"]) == ["features.5", "features", "layer4"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_keeps_the_whole_name_of_the_weights(result: SearchResult, columns: int) -> None:
    text = StringIO()
    Console(file=text, width=columns).print(encoder_table(by_encoder(result)))
    shown = text.getvalue()
    assert max(map(len, shown.splitlines())) <= columns
    assert "squeezenet1_0-of-a-hospital" in shown
    assert "0.900" in shown
    assert "1.000 to 1.000" in shown


def test_images_that_look_the_same_are_a_remark_that_no_shared_page_has(
    result: SearchResult,
) -> None:
    cohort = dataclasses.replace(result.cohort, look_alikes=((0, 12),))
    result = dataclasses.replace(result, cohort=cohort)
    of_table, pair, rates = result.remarks
    assert of_table == "a remark"
    assert "image0.png and image12.png" in pair
    assert rates == HOW_SURE
    (left_out,) = result.for_sharing().remarks
    assert left_out == "3 remarks are not on this page"
