"""Would it work elsewhere? A run judged across the values of a column, as a section of its page."""

from collections.abc import Sequence

from search.rescored.across import OPTION, Across
from trainable.errors import listing
from trainable.report.page import Section, Table, as_sentence

_TITLE = "Would it work elsewhere?"


def elsewhere_section(found: Sequence[Across]) -> Section:
    """What was found, column by column; where nobody asked, how to find out."""
    if not found:
        return Section(
            _TITLE, [f"Not asked: cxr-report RUN {OPTION} COLUMN judges it across a site or view."]
        )
    names = listing([one.column for one in found])
    words = [
        f"Heads that never saw a value of {names} were judged on the patients who have it: they "
        "were trained on those of all other values. Beside them are the usual scores of the same "
        "patients, by the folds of the search. Both have the threshold of the winner.",
        *(as_sentence(sentence) for across in found for sentence in across.sentences),
    ]
    caption = (
        "Gap: F1 less the usual F1, with its 95 % confidence interval by patient. Smallest gap: "
        "what these patients would show with a power of 80 %."
    )
    return Section(_TITLE, words, tables=[Table(across.table, caption) for across in found])
