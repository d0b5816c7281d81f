"""The parts of a difference of two F1s, judged: `python -m benchmarks.elsewhere`.

    python -m benchmarks.elsewhere [--cohorts 100] [--patients 50 200]

`cxr-predict --labels` takes the difference of the F1 that the search told and the F1 of new labels
apart: prevalence, calibration, not explained. Here scores are simulated, so that the true parts are
known. A search of 200 patients is beside a hospital of `--patients`, each with two images. Both are
drawn anew for each of `--cohorts`. `bias` is the mean of told minus true with its 95 % interval,
`coverage` how often the 95 % interval that is told holds the truth. There is no image, no choice of
a winner, and the threshold is fixed. The last line is JSON.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.elsewhere.hospitals import HOSPITALS, SEARCH, THRESHOLD, Hospital
from benchmarks.more_patients.told import Row, beside, summary
from trainable.evaluation.transport import Resampled, causes

_OF_SEARCH = 200


def judge(hospital: Hospital, num_patients: int, num_cohorts: int) -> Iterator[Row]:
    """Each part of each cohort, beside the truth."""
    true = hospital.true_parts()
    for cohort in range(num_cohorts):
        rng = np.random.default_rng([cohort, num_patients])
        then, now = SEARCH.draw(_OF_SEARCH, rng), hospital.draw(num_patients, rng)
        told = Resampled.of(then, THRESHOLD, "binary", seed=0)
        here = Resampled.of(now, THRESHOLD, "binary", seed=1)
        found = causes(told.drawn(), float(told.f1()[0]), here)
        parts = {
            "prevalence": found.prevalence,
            "calibration": found.calibration,
            "not explained": found.rest,
        }
        for part, estimate in parts.items():
            yield beside(cohort, part, estimate, true[part])


def main() -> None:
    """Judge all hospitals; print a table for each number of patients, and all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--patients", type=int, nargs="+", default=[50, 200])
    options = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for num_patients in options.patients:
        print(f"\n{num_patients} patients:")
        for hospital in HOSPITALS:
            rows = pd.DataFrame(judge(hospital, num_patients, options.cohorts))
            found = summary(rows)[["told", "true", "bias", "bias_low", "bias_high", "coverage"]]
            print(hospital.name, found.to_string(float_format="{:.3f}".format), "", sep="\n")
            name = f"{hospital.name}, {num_patients}"
            figures[name] = found.round(4).to_dict(orient="index")  # type: ignore[assignment]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
