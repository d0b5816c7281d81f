"""The models of a team, found in the run folder or retrained, and what a person sees meanwhile."""

from pathlib import Path

from rich.console import Console

from analysis.model_file import FinalModel
from analysis.retrain import Retraining
from trainable.cohort.splits import rows_of, seen_rows
from trainable.run.winner import Member
from trainable.training.heads import HEADS
from trainable.training.loop import EpochRecord


def team_models(retraining: Retraining, console: Console, written: list[Path]) -> list[FinalModel]:
    """The model of each member; the folder of one that is retrained goes into `written`."""
    return [_model(retraining, member, console, written) for member in retraining.winner.members]


def _model(
    retraining: Retraining, member: Member, console: Console, written: list[Path]
) -> FinalModel:
    """The final model of one member, and what is reported while it is trained."""
    folder, cohort = retraining.folder(member), retraining.cohort
    is_there = folder.exists()
    if is_there:
        console.print(f"model found in {folder}")
    else:
        but = " except test rows" if len(rows_of(cohort, "test")) else ""
        console.print(
            f"retraining trial {member.trial} on all {len(seen_rows(cohort))} labelled "
            f"{cohort.grouping.unit}s{but}"
        )

    def report(number: int, record: EpochRecord) -> None:
        kind = "seed" if HEADS[member.config.head].is_seeded else "fit"
        which = f"{kind} {number} of {len(retraining.folds(member))}"
        console.print(f"  {which}: loss {record.train_loss:.3f} after {record.num_steps} steps")

    model = retraining.model(member, report)
    if not is_there:
        written.append(folder)
    return model
