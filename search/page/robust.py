"""Do small changes of an image change its score? As a section of the page."""

from search.rescored.robust import OPTION, Robustness
from trainable.report.page import Section, Table, as_sentence

_TITLE = "Do small changes matter?"


def robust_section(robust: Robustness | None) -> Section:
    """What was found; where nobody asked, how to find out."""
    if robust is None:
        return Section(
            _TITLE,
            [f"Not asked: cxr-report RUN {OPTION} changes brightness, contrast, crop and turn."],
        )
    words = [
        *map(as_sentence, robust.sentences),
        "Each score is of models that never saw the patient.",
    ]
    caption = (
        f"{robust.num_exams} {robust.unit}s, each of another patient. Other answer: on the other "
        "side of the threshold than the image as it is. The interval of the AUC is by patient."
    )
    return Section(_TITLE, words, tables=[Table(robust.table, caption)])
