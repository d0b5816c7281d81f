"""Several findings are read, and no search runs for them yet: to be deleted when one does."""

from trainable.cohort.cohort import Cohort
from trainable.errors import InputError


def refuse_several(cohort: Cohort) -> None:
    """Refuse several findings or classes.

    Raises:
        InputError: If there are some.
    """
    findings = cohort.findings
    if findings.is_one:
        return
    kind = "classes" if findings.exclusive else "findings"
    raise InputError(
        f"a search is for one finding so far, and {len(findings)} {kind} were read: ask for one "
        "with --positive NAME --negative rest, or with its column after --label-column"
    )
