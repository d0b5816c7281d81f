"""The page and the terminal show what each of several findings, or classes, is worth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fixtures.networks import tiny_config
from fixtures.winners import OUT_OF_FOLD, RECALIBRATION, make_winner

from search.terminal.outcome import describe_winner, findings_table
from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.evaluation import curves
from trainable.evaluation.scoring import Scoring
from trainable.report.confusion import confusion_matrix
from trainable.report.recalibration import recalibration_sentences
from trainable.report.scores_section import scores_section
from trainable.report.table_lines import WIDEST, table_lines
from trainable.run.winner import CorrectedF1, TiedTrial, Winner

RNG = np.random.default_rng(0)
CLASSES = Findings(("normal", "bacterial", "viral"), exclusive=True)
SIGNS = Findings(("mass", "pleural effusion with a very long name", "edema"))


def winner_of(findings: Findings) -> Winner:
    each = tuple(CorrectedF1(f1=f1, interval=(0.2, 0.8), optimism=0.1) for f1 in (0.3, 0.5, 0.7))
    return make_winner(
        tiny_config(),
        findings=findings,
        teams=((3,),) * 3,
        thresholds=(0.25, 0.5, 0.125),
        scoring=Scoring(f1_average="macro", exclusive=findings.exclusive),
        out_of_fold=(OUT_OF_FOLD, {**OUT_OF_FOLD, "auc": None}, OUT_OF_FOLD),
        corrected=CorrectedF1(f1=0.5, interval=(0.4, 0.6), optimism=0.1),
        corrected_each=each,
    )


def scored(labels: np.ndarray) -> Scored:
    scores = np.clip(0.2 + 0.4 * (labels == 1) + RNG.normal(0, 0.2, labels.shape), 0, 1)
    return Scored(labels, np.arange(len(labels)), scores.astype(np.float32))


def test_each_finding_has_its_figures_on_the_examinations_whose_label_is_known() -> None:
    labels = RNG.integers(0, 2, (60, 3))
    labels[:20, 1], labels[:, 2] = -1, 0
    found = scores_section(scored(labels), winner_of(SIGNS))
    mass, effusion, edema = found.choices
    assert [one.title for one in found.choices] == list(SIGNS.names)
    assert mass.slider is not None
    assert effusion.slider is not None
    assert mass.slider.num_positive + mass.slider.num_negative == 60
    assert effusion.slider.num_positive + effusion.slider.num_negative == 40
    assert len(mass.figures) == len(effusion.figures) == 5
    assert not edema.figures
    assert "all known labels are the same" in edema.paragraphs[0]


def test_classes_have_the_matrix_of_the_decision_in_place_of_a_slider() -> None:
    labels = np.eye(3, dtype=np.int64)[RNG.integers(0, 3, 60)]
    given, winner = scored(labels), winner_of(CLASSES)
    thresholds, found = winner.thresholds, scores_section(given, winner)
    assert all(one.slider is None for one in found.choices)
    matrix = confusion_matrix(given, thresholds, CLASSES).set_index("")
    taken = (given.scores / np.array(thresholds)).argmax(axis=1)
    counted = pd.crosstab(labels.argmax(axis=1), taken).to_numpy()
    np.testing.assert_array_equal(matrix.to_numpy(), counted)
    [table] = found.tables
    assert table.frame.equals(matrix.reset_index())


@pytest.mark.parametrize("findings", [SIGNS, CLASSES])
def test_the_terminal_has_a_row_per_finding_and_their_average(findings: Findings) -> None:
    winner = winner_of(findings)
    [best] = winner.members
    tied = TiedTrial(trial=3, config=best.config, num_steps=8, f1=0.5)
    winner = winner.model_copy(update={"tied": (tied,)})
    trials = pd.DataFrame({"number": [3], "state": ["complete"], "f1": [0.5]})
    first, *lines = describe_winner(winner, trials, is_sampled=True)
    kind = "classes" if findings.exclusive else "findings"
    assert f"expected macro F1 of 3 {kind} 0.500 on new patients" in first.text
    texts = [line.text for line in lines]
    rows = [
        text for text in texts if text.startswith(("mass", "pleural", "edema", "normal", "viral"))
    ]
    assert len(rows) == 3 - findings.exclusive
    assert all(len(text) <= WIDEST for text in texts[:4])
    assert "0.200 to 0.800" in rows[0]
    assert "0.300" in rows[0]


def test_a_long_name_is_cut_so_that_a_line_fits() -> None:
    lines = list(table_lines(findings_table(winner_of(SIGNS))))
    assert max(map(len, lines)) == WIDEST
    assert len(set(map(len, lines))) == 1
    assert "…" in lines[2]


def test_a_finding_that_was_recalibrated_shows_its_calibration_before_and_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curves, "_NUM_RESAMPLES", 2)  # of the curve's interval
    labels = RNG.integers(0, 2, (60, 3))
    raw = scored(labels)
    winner = winner_of(SIGNS).model_copy(update={"recalibrations": (None, RECALIBRATION, None)})
    found = scores_section(replace(raw, scores=winner.recalibrated(raw.scores)), winner, raw=raw)
    shown = [one.figures[1].svg.count("before: slope") for one in found.choices]
    assert shown == [0, 1, 0]
    effusion, others = recalibration_sentences(winner)
    assert effusion.startswith(f"scores of {SIGNS.names[1]} are recalibrated (beta calibration)")
    assert others == "scores of mass, edema are not recalibrated: it would not be better"
