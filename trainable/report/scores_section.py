"""How good the scores are: of one finding, or of several, of which a reader chooses one."""

from collections.abc import Iterator, Sequence

from trainable.cohort.scored import Scored
from trainable.report.confusion import confusion_matrix
from trainable.report.page import Section, Slider, Table
from trainable.report.scores import score_figures
from trainable.run.winner import Winner


def scores_section(
    scored: Scored,
    winner: Winner,
    paragraphs: Sequence[str] = (),
    raw: Scored | None = None,
) -> Section:
    """The figures of each finding; of several classes also which one was taken for which.

    Beside the calibration of the scores stands that of `raw`, before they were recalibrated.
    """
    findings, thresholds = winner.findings, winner.thresholds
    title = "How good are the scores?"
    if findings.is_one:
        [threshold] = thresholds
        figures = score_figures(scored, threshold, raw)
        return Section(title, paragraphs, figures, Slider.of(scored, threshold))
    tables = []
    if findings.exclusive:
        matrix = confusion_matrix(scored, thresholds, findings)
        tables = [Table(matrix, "Examinations by their label (rows) and prediction (columns).")]
    choices = list(_choices(scored, winner, raw))
    return Section(title, paragraphs, tables=tables, choices=choices)


def _choices(scored: Scored, winner: Winner, raw: Scored | None) -> Iterator[Section]:
    for number, name in enumerate(winner.findings.names):
        of_one, threshold = scored.of_findings([number]), winner.thresholds[number]
        has_before = raw is not None and winner.recalibrations[number]
        before = raw.of_findings([number]) if raw is not None and has_before else None
        if not of_one.has_both:
            yield Section(name, ["Nothing can be shown: all known labels are the same."])
            continue
        known, positive = len(of_one), int(of_one.labels.sum())
        # of one class alone, a threshold does not say what is predicted
        slider = None if winner.findings.exclusive else Slider.of(of_one, threshold)
        yield Section(
            name, [f"{known:,} known, {positive:,} positive."],
            score_figures(of_one, threshold, before), slider,
        )  # fmt: skip
