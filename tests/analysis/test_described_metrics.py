"""What is said of new images with true labels, a line each."""

import numpy as np
from fixtures.networks import tiny_config
from fixtures.winners import make_winner

from analysis.evaluation_lines import describe_one
from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import Estimate


def test_only_a_number_at_the_end_of_a_name_takes_a_colon() -> None:
    labels = np.array([[0], [1]])
    scored = Scored(labels, np.array(["a", "b"]), np.array([[0.1], [0.9]], np.float32))
    estimates = {
        "F1": Estimate(1.0, 0.5, 1.0),
        "sensitivity at specificity 0.9": Estimate(0.7, 0.6, 0.8),
    }
    lines = list(describe_one(scored, make_winner(tiny_config()), estimates))
    assert "  F1 1.000 (0.500 to 1.000)" in lines
    assert "  sensitivity at specificity 0.9: 0.700 (0.600 to 0.800)" in lines
