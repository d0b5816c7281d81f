"""Optuna's log of a run: opened as a storage, and repaired after a kill."""

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.run.run_folder import RunFolder
from search.tune.upstream_internals import journal_lock
from trainable.files import drop_partial_line


def open_storage(run: RunFolder) -> JournalStorage:
    """Optuna's storage: a log, since SQLite reads all running trials anew for each number."""
    return JournalStorage(JournalFileBackend(str(run.study_log)))


def repair_log(run: RunFolder) -> None:
    """Remove the half line and the lock that a killed process left.

    The run folder must be locked (`RunFolder.open`), so that no other process writes the log.
    """
    drop_partial_line(run.study_log)
    journal_lock(run.study_log).unlink(missing_ok=True)
