"""What a line of a search says of a trial."""

import pandas as pd

from search.report.display import describe
from trainable.config import TrialConfig


def row(**settings: object) -> object:
    config = TrialConfig.model_validate(settings)
    return next(pd.DataFrame([config.model_dump()]).itertuples())


def test_a_network_is_named_with_its_learning_rate_and_a_logistic_head_with_its_penalty() -> None:
    network = row(backbone="resnet18", cut="layer3", unfreeze=1, learning_rate=2e-4)
    assert describe(network) == "resnet18 to layer3, 1 trained, normalize none, lr 2.0e-04"
    logistic = row(cut="fused", head="logistic", C=0.01)
    assert (
        describe(logistic) == "squeezenet1_0 to fused, frozen, normalize none, logistic C 1.0e-02"
    )
