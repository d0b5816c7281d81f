"""What an exported team is asked, in words."""

from trainable.cohort.cohort import Cohort
from trainable.errors import listing


def title_of(cohort: Cohort) -> str:
    """What is predicted, in a line."""
    return f"Predictions from chest X-rays: {asked_of(cohort)}"


def asked_of(cohort: Cohort) -> str:
    """The positive class with its column, or the names of several findings or classes."""
    findings = cohort.findings
    return _positives(cohort) if findings.is_one else listing(findings.names, 20)


def _positives(cohort: Cohort) -> str:
    """The positive class, with its column where its name says little."""
    column, positive = cohort.found_by.get("label"), cohort.classes[1]
    return f"{column} = {positive}" if column else positive
