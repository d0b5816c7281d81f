"""What is said of scores that were recalibrated."""

from collections.abc import Iterator

from trainable.evaluation.recalibration import Recalibration
from trainable.run.winner import Winner


def recalibration_sentences(winner: Winner) -> Iterator[str]:
    """How the scores were recalibrated, and what that is worth; without the full stops."""
    found = dict(zip(winner.findings.names, winner.recalibrations, strict=False))
    for name, one in found.items():
        if one is not None:
            of = "" if winner.findings.is_one else f" of {name}"
            yield f"scores{of} are recalibrated ({one.kind}); {_worth(one)}"
    if raw := [name for name, one in found.items() if one is None]:
        yield f"scores of {', '.join(raw)} are not recalibrated: it would not be better"


def _worth(one: Recalibration) -> str:
    before, after = one.before, one.after
    return (
        f"on patients who had no part in it, the slope is {after.slope:.2f} (before "
        f"{before.slope:.2f}), the intercept {after.intercept:+z.2f} ({before.intercept:+z.2f}), "
        f"the log loss {after.log_loss:.3f} ({before.log_loss:.3f})"
    )
