"""The five figures of one set of scores, with their captions."""

from trainable.cohort.scored import Scored
from trainable.report import figures
from trainable.report.page import Figure


def score_figures(scored: Scored, threshold: float) -> list[Figure]:
    """The four essential plots of Van Calster (2025), and precision against recall.

    Args:
        scored: Examinations of one finding; both classes occur.
        threshold: A score of at least this is predicted positive.
    """
    [labels], [scores] = scored.labels.T, scored.scores.T
    return [
        Figure(
            "ROC curve",
            figures.roc_figure(labels, scores),
            "A curve near the upper left corner is good. The grey line is chance.",
        ),
        Figure(
            "Calibration",
            figures.calibration_figure(scored),
            "On the grey line, a score of 0.3 means that 3 in 10 are positive. The band is the "
            "95 % interval.",
        ),
        Figure(
            "Decision curve",
            figures.decision_figure(labels, scores),
            "The model helps where its line is above both others: at risks from which a person "
            "would act.",
        ),
        Figure(
            "Scores by outcome",
            figures.distribution_figure(labels, scores, threshold),
            "The less the two classes overlap, the better.",
        ),
        Figure(
            "Precision and recall",
            figures.precision_recall_figure(labels, scores),
            "The grey line is the precision of calling every image positive.",
        ),
    ]
