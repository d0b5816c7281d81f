"""Which class was taken for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.evaluation.counts import decide


def confusion_matrix(
    scored: Scored, thresholds: Sequence[float], findings: Findings
) -> pd.DataFrame:
    """How often each of several classes was taken for each: a row per class, its name first."""
    levels = np.array(thresholds, np.float32)
    predicted = decide(scored.scores, levels, exclusive=True).astype(np.int64)
    counts = (scored.labels == 1).astype(np.int64).T @ predicted
    return pd.DataFrame({"": findings.names} | dict(zip(findings.names, counts.T, strict=True)))
