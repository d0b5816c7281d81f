"""What an earlier search hands on to a new one, and what of it the new search may not know."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.run.run_folder import RunFolder
from search.run.trial_log import complete_best_first, config_of
from search.run.warm_start import CohortChange, EarlierSearch, EarlierTrial, WarmStart
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import rows_of, seen_rows
from trainable.errors import InputError
from trainable.run.places import scores_file, winner_file
from trainable.run.winner import Winner, read_winner

_NUM_QUEUED = 10


def find_warm_start(folder: Path, cohort: Cohort) -> WarmStart:
    """The complete trials of an earlier search, the best objective first, and their scores.

    Args:
        folder: Run folder of the earlier search, which is only read.
        cohort: Cohort of the new search.

    Raises:
        InputError: If the earlier search had other classes or findings, has seen test images of the
            new one, has no complete trial, or was made by another version of cxr.
    """
    run = RunFolder(folder)
    run.read_options()
    earlier, before = Cohort.load(run.path), WarmStart.load(run.path)
    if (asked := _asked(cohort)) != (then := _asked(earlier)):
        has = then.removeprefix("classes ")
        raise InputError(f"--warm-start must be a search for the {asked}; {run.path} has {has}")
    seen = _images(earlier) | set(before.search.seen if before else ())
    tested = set(cohort.manifest.loc[cohort.manifest["split"] == "test", "sha256"])
    if known := len(tested & seen):
        raise InputError(
            f"--warm-start must be a search that has not seen the test images of this one; "
            f"{run.path} has seen {known} of {len(tested)}: drop the option, or the test images"
        )
    table = run.log.table()
    complete = complete_best_first(table)
    if complete.empty:
        raise InputError(
            f"--warm-start must be a search with a complete trial; {run.path} has none"
        )
    rows = complete.to_dict("records")
    winner = read_winner(run.path) if winner_file(run.path).is_file() else None
    search = EarlierSearch(
        run=str(run.path),
        trials=tuple(EarlierTrial(trial=row["number"], config=config_of(row)) for row in rows),
        num_queued=min(_NUM_QUEUED, len(rows)),
        num_shared=len(seen & _images(cohort)),
        has_history=before is not None or bool((table["state"] == "stopped").any()),
        seen=tuple(sorted(seen)),
        change=_change(earlier, cohort),
        thresholds=winner.thresholds if winner else (),
    )
    scores = _scores(run, search, earlier, cohort)
    return WarmStart(search, scores, _of_winner(winner, run, earlier, cohort))


def _change(earlier: Cohort, cohort: Cohort) -> CohortChange:
    """How a cohort differs from an earlier one."""
    now, then = cohort.manifest, earlier.manifest
    is_new, is_gone = ~now["sha256"].isin(then["sha256"]), ~then["sha256"].isin(now["sha256"])
    rows = _rows_in(earlier, cohort)
    same = rows >= 0
    is_changed = (cohort.labels[same] != earlier.labels[rows[same]]).any(axis=1)
    return CohortChange(
        new_images=now.loc[is_new, "sha256"].nunique(),
        new_patients=int(is_new.groupby(now["patient"]).all().sum()),
        gone_images=then.loc[is_gone, "sha256"].nunique(),
        gone_patients=int(is_gone.groupby(then["patient"]).all().sum()),
        relabelled=int(is_changed.sum()),
    )


def _of_winner(
    winner: Winner | None, run: RunFolder, earlier: Cohort, cohort: Cohort
) -> NDArray[np.float32] | None:
    """Scores of the earlier winner in the order of the new cohort.

    None if some are missing, or if other folds than now made them harder or easier: those that
    leave out the values of a column.
    """
    if winner is None or _left_out(earlier) != _left_out(cohort):
        return None
    files = [scores_file(run.path, member.trial) for member in winner.members]
    if not all(map(Path.is_file, files)):
        return None
    then, rows = winner.out_of_fold_scores(run.path), _rows_in(earlier, cohort)
    return np.where((rows >= 0)[:, None], then[rows], np.float32(np.nan))


def _left_out(cohort: Cohort) -> object:
    """The column whose values folds leave out."""
    return None if cohort.left_out_by is None else cohort.left_out_by.name


def _asked(cohort: Cohort) -> str:
    """What is asked of each examination, in words."""
    findings = cohort.findings
    names = cohort.classes if findings.is_one else findings.names
    kind = "classes" if findings.is_one or findings.exclusive else "findings"
    return f"{kind} {', '.join(names[:-1])} and {names[-1]}"


def _images(cohort: Cohort) -> set[str]:
    """SHA-256 of the images that are not kept for a test."""
    return set(cohort.manifest.loc[cohort.manifest["split"] != "test", "sha256"])


def _scores(
    run: RunFolder, search: EarlierSearch, earlier: Cohort, cohort: Cohort
) -> NDArray[np.float32] | None:
    """Scores of the earlier trials in the order of the new cohort; None if some are missing."""
    rows = _rows_in(earlier, cohort)
    scored = rows_of(cohort, "valid") if cohort.has_one_fold else seen_rows(cohort)
    files = [scores_file(run.path, one.trial) for one in search.trials]
    if not search.num_shared or (rows[scored] < 0).any() or not all(map(Path.is_file, files)):
        return None
    then = np.stack([run.log.scores(one.trial) for one in search.trials])
    scores = np.full((len(then), len(rows), then.shape[2]), np.nan, np.float32)
    scores[:, scored] = then[:, rows[scored]]
    return None if np.isnan(scores[:, scored]).any() else scores


def _rows_in(earlier: Cohort, cohort: Cohort) -> NDArray[np.int64]:
    """The row of each examination in an earlier cohort; -1 where it is new."""
    row_of = {exam: row for row, exam in enumerate(_exams(earlier))}
    return np.array([row_of.get(exam, -1) for exam in _exams(cohort)])


def _exams(cohort: Cohort) -> list[tuple[str, ...]]:
    """Names of the examinations by what their images hold."""
    hashes = [*cohort.manifest["sha256"], ""]  # of a missing view
    return [tuple(hashes[image] for image in images) for images in cohort.exam_images.tolist()]
