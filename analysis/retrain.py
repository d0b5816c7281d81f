"""The models of a team: found in the run folder, or retrained on all rows but those of the test."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from rich.console import Console

from analysis.guard.fit import FEWEST, features_of, fit_guard, fitted_rows
from analysis.guard.guard import Guard
from analysis.model_file import FinalModel, load_model, save_model
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, rows_of, seen_rows
from trainable.commands.stop import stop_signals
from trainable.defaults import DeviceChoice
from trainable.device import one_thread, own_device
from trainable.errors import num_of
from trainable.files import digest, remove_partial, writing
from trainable.model.network import Network
from trainable.reading.moved_images import require_unchanged
from trainable.run.places import ANOTHER_RUN, model_folder
from trainable.run.winner import Member, Winner
from trainable.store.arrays import ArrayStore
from trainable.training.loop import EpochRecord
from trainable.trial.cross_validation import Assembly, assemble
from trainable.trial.final import Report, fit_final, num_networks
from trainable.trial.task import Materials, TrainingData


@dataclass(frozen=True)
class Retraining:
    """Everything that the members of a winner are retrained with.

    Attributes:
        run: Run folder, which keeps the models.
        winner: The winner of the run.
        cohort: The labelled images of the run.
        num_seeds: Number of networks per member; None for as many as its scores were averaged over.
        store: Store of pixels, features and activations.
        device: Where the members are trained.
    """

    run: Path
    winner: Winner
    cohort: Cohort
    num_seeds: int | None
    store: ArrayStore
    device: DeviceChoice = "auto"

    @property
    def num_fits(self) -> int:
        """Networks per member, where a seed makes a difference."""
        return self.num_seeds or self.winner.repeats

    @property
    def is_kept(self) -> bool:
        """Whether the run has all models already, so that nothing is written there."""
        return all(self.folder(member).exists() for member in self.winner.members)

    def folder(self, member: Member) -> Path:
        """Folder of the member's model; its name says all that the model depends on."""
        statistics = self.winner.statistics
        depends_on = {
            "config": member.config.model_dump(mode="json"),
            "num_steps": member.num_steps,
            "num_networks": num_networks(member.config, self.num_fits),
            "cohort": self.cohort.digest,
            "weights": self.winner.weights.fingerprints[str(member.config.backbone)],
            "statistics": (statistics.mean, statistics.std, statistics.limits),
        }
        content = digest(json.dumps(depends_on, sort_keys=True))
        return model_folder(self.run, member.trial, content)

    def model(self, member: Member, report: Report) -> FinalModel:
        """The member's model: read from its folder, or trained and kept there.

        Raises:
            InputError: If the labelled images or the weights are missing or have changed.
        """
        folder = self.folder(member)
        if folder.exists():
            return load_model(folder)
        with stop_signals.released():
            model = self._train(member, report)
        with writing(self.run, ANOTHER_RUN):
            folder.parent.mkdir(exist_ok=True)
            lock = FileLock(folder.parent / ".lock").acquire()
        with lock:
            remove_partial(folder.parent)
            if not folder.exists():  # else another process has finished the same model first
                save_model(model, folder)
        return model

    def _train(self, member: Member, report: Report) -> FinalModel:
        parts = assemble(member.config, self._materials)
        everything = Fold(seen_rows(self.cohort), np.empty(0, np.int64))
        fit = fit_final(parts, member.num_steps, everything, self.num_fits, report)
        return FinalModel(
            member.config,
            fit.networks,
            member.thresholds,
            self.winner.statistics,
            self._classes,
            self.cohort.digest,
            *self._guard(parts, fit.networks[0]),
        )

    def _guard(self, parts: Assembly, network: Network) -> tuple[Guard | None, str]:
        """The guard of a model, from the features that it was trained on; or why there is none."""
        if not network.frozen_stages:
            return None, "all stages were trained, and know the training images by heart"
        rows = fitted_rows(seen_rows(self.cohort))
        patients = self.cohort.patients[rows]
        if (num := len(np.unique(patients))) < FEWEST:
            return None, f"that takes {FEWEST} patients, and the search had {num}"
        with one_thread():
            return fit_guard(features_of(network, parts.inputs, rows), patients), ""

    @property
    def _classes(self) -> tuple[str, ...]:
        rules = self.cohort.label_rules
        return rules[0].classes if len(rules) == 1 else self.cohort.findings.names

    @cached_property
    def _materials(self) -> Materials:
        cohort, winner = require_unchanged(self.cohort, "--labelled-images"), self.winner
        return Materials(
            TrainingData.of(cohort, winner.statistics),
            winner.load_weights(),
            self.store,
            own_device(self.device),
        )


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
        of_all = num_networks(member.config, retraining.num_fits)
        which = f"seed {number} of {of_all}: " if of_all > 1 else ""
        console.print(
            f"  {which}loss {record.train_loss:.3f} after {num_of(record.num_steps, 'step')}"
        )

    model = retraining.model(member, report)
    if not is_there:
        written.append(folder)
    return model
