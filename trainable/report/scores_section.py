"""How good the scores are: of one finding, or of several, of which a reader chooses one."""

from collections.abc import Iterator, Sequence

from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.report.confusion import confusion_matrix
from trainable.report.page import Section, Slider, Table
from trainable.report.scores import score_figures


def scores_section(
    scored: Scored,
    thresholds: Sequence[float],
    findings: Findings,
    paragraphs: Sequence[str] = (),
) -> Section:
    """The figures of each finding; of several classes also which one was taken for which."""
    title = "How good are the scores?"
    if findings.is_one:
        [threshold] = thresholds
        figures = score_figures(scored, threshold)
        return Section(title, paragraphs, figures, Slider.of(scored, threshold))
    tables = []
    if findings.exclusive:
        matrix = confusion_matrix(scored, thresholds, findings)
        tables = [Table(matrix, "Examinations by their label (rows) and prediction (columns).")]
    choices = list(_choices(scored, thresholds, findings))
    return Section(title, paragraphs, tables=tables, choices=choices)


def _choices(scored: Scored, thresholds: Sequence[float], findings: Findings) -> Iterator[Section]:
    for number, name in enumerate(findings.names):
        of_one, threshold = scored.of_findings([number]), thresholds[number]
        if not of_one.has_both:
            yield Section(name, ["Nothing can be shown: all known labels are the same."])
            continue
        known, positive = len(of_one), int(of_one.labels.sum())
        # of one class alone, a threshold does not say what is predicted
        slider = None if findings.exclusive else Slider.of(of_one, threshold)
        yield Section(
            name, [f"{known:,} known, {positive:,} positive."],
            score_figures(of_one, threshold), slider,
        )  # fmt: skip
