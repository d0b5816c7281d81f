"""What a trial reports before its last fold, so that it can be stopped."""

import pytest
from fixtures.networks import tiny_config

from trainable.trial.rungs import reports


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"head": "logistic"}, []),
        ({"head": "fastai"}, [2, 4, 8]),
        ({"head": "plain"}, [2, 4, 8]),
        ({"head": "fastai", "unfreeze": 1}, list(range(1, 15))),
    ],
)
def test_only_what_takes_longer_than_a_report_is_reported(
    settings: dict[str, object], told: list[int]
) -> None:
    config = tiny_config(**settings)
    assert [fold for fold in range(1, 15) if reports(config, fold, 15)] == told
