"""What a line of a search says of a trial."""

from pathlib import Path

import pandas as pd
import pytest
from fixtures.winners import make_winner

from search.report.display import describe
from search.report.winner import describe_next
from trainable.config import TrialConfig


def row(**settings: object) -> object:
    config = TrialConfig.model_validate(settings)
    return next(pd.DataFrame([config.model_dump()]).itertuples())


def test_a_network_is_named_with_its_learning_rate_and_a_logistic_head_with_its_penalty() -> None:
    network = row(backbone="resnet18", cut="layer3", unfreeze=1, learning_rate=2e-4)
    assert describe(network) == "resnet18 to layer3, 1 trained, normalize none, lr 2.0e-04"
    logistic = row(cut="fused", head="logistic", C=0.01)
    text = "squeezenet1_0 to fused, frozen, normalize none, logistic C 1.0e-02"
    assert describe(logistic) == text
    seeing = row(cut="fused", head="logistic", C=0.01, covariates=True)
    assert describe(seeing) == f"{text}, with columns"


@pytest.mark.parametrize(
    ("config", "images"),
    [
        (TrialConfig(), "FOLDER"),
        (TrialConfig(covariates=True), "CSV"),
        (TrialConfig(views=2), "CSV"),
    ],
)
def test_a_winner_that_needs_more_than_images_is_given_a_table(
    config: TrialConfig, images: str
) -> None:
    predict, _ = describe_next(make_winner(config), Path("/runs/mine"))
    assert predict == f"predict with: cxr-predict /runs/mine --images {images}"
