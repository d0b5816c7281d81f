"""The benchmark of the parts of a difference of two F1s knows the truth, and prints all figures."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.elsewhere import __main__ as command
from benchmarks.elsewhere.hospitals import HOSPITALS, SEARCH, THRESHOLD, Hospital


@pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda one: one.name)
def test_the_true_parts_add_up_to_the_difference_of_many_patients(hospital: Hospital) -> None:
    found = []
    for one in (hospital, SEARCH):
        scored = one.draw(100_000, np.random.default_rng(0))
        found.append(f1_score(scored.labels[:, 0], scored.scores[:, 0] >= THRESHOLD))
    assert sum(hospital.true_parts().values()) == pytest.approx(found[0] - found[1], abs=0.01)


def test_each_hospital_has_the_parts_that_it_is_made_of() -> None:
    for hospital in HOSPITALS:
        parts = hospital.true_parts()
        changed = {
            "prevalence": hospital.prevalence != SEARCH.prevalence,
            "calibration": (hospital.level, hospital.spread) != (0, 1) or hospital.sign != 1,
            "not explained": hospital.sign != 1,
        }
        assert {name: abs(part) > 1e-9 for name, part in parts.items()} == changed


def test_a_tiny_run_prints_all_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = HOSPITALS[1:4:2]
    monkeypatch.setattr(command, "HOSPITALS", some)
    monkeypatch.setattr("sys.argv", ["x", "--cohorts", "2", "--patients", "20"])
    command.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [*figures] == [f"{one.name}, 20" for one in some]
    for hospital in some:
        for part, true in hospital.true_parts().items():
            one = figures[f"{hospital.name}, 20"][part]
            assert one["true"] == pytest.approx(true, abs=1e-4)
            assert one["bias"] == pytest.approx(one["told"] - one["true"], abs=2e-4)
            assert one["coverage"] in (0, 0.5, 1)
