"""One export from command line to folder: check, retrain if needed, write, compare the graph."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from analysis.export.atlas import write_atlas
from analysis.export.card import REQUIREMENTS, requirements, write_card
from analysis.export.folder import (
    GRAPH,
    Export,
    GraphCheck,
    PreprocessingRecord,
    is_export,
    write_about,
    write_models,
)
from analysis.export.graph import TOLERANCE, largest_difference, require_libraries, write_graph
from analysis.guard.team import team_limit
from analysis.model_file import FinalModel, guards_of, seen_columns
from analysis.options import ExportOptions
from analysis.retrain import Retraining, team_models
from analysis.shared_stages import share_stages
from trainable.cohort.cohort import Cohort
from trainable.commands.stop import stop_signals
from trainable.device import place
from trainable.errors import Checks, InputError
from trainable.files import DiskError, as_typed, replacing, try_to_write, writing
from trainable.reading.moved_images import find_images, require_unchanged
from trainable.run.exported import Exported
from trainable.run.places import ANOTHER_RUN
from trainable.run.winner import Winner, digest_of, read_winner
from trainable.store.arrays import ArrayStore


def launch(run: Path, options: ExportOptions, console: Console) -> None:
    """Write the folder.

    Raises:
        InputError: Before anything is trained, naming every problem found; or if the graph does not
            give our scores.
        KeyboardInterrupt: After a stop signal; nothing is left in `--out`.
    """
    run, out = run.expanduser().resolve(), options.out.expanduser().resolve()
    store = ArrayStore(options.cache.expanduser().resolve(), options.cache_bytes)
    try:
        with stop_signals.held():
            with stop_signals.released():
                winner, cohort = _check(run, out, options)
                retraining = Retraining(run, winner, cohort, options.seeds, store, options.device)
                if not retraining.is_kept:
                    try_to_write(run, ANOTHER_RUN)
            models = team_models(retraining, console, [])
            with writing(out.parent, "--out"), replacing(out) as partial, stop_signals.released():
                exported = _write(partial, winner, cohort, models, options, console)
            _tell_run(run, exported, console)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            f"Stopped by {stop_signals.name}. {out} was not written."
        ) from interrupt
    console.print(f"exported: {out}")
    kind = "TABLE" if winner.needs_table else "FOLDER"
    console.print(f"predict with: cxr-predict {as_typed(out)} --images {kind}")


def _check(run: Path, out: Path, options: ExportOptions) -> tuple[Winner, Cohort]:
    checks = Checks()
    if out.exists():
        checks.add(f"{out} exists already; name another folder with --out")
    if not options.without_onnx:
        checks.attempt(require_libraries)
    if is_export(run):
        checks.add(f"RUN must be the folder of a search; {run} is an exported team already")
        raise InputError(*checks.problems)
    found = checks.attempt(lambda: (read_winner(run), Cohort.load(run)))
    if found is None:
        raise InputError(*checks.problems)
    winner, cohort = found
    if options.labelled_images is not None:
        folder, option = options.labelled_images.expanduser(), "--labelled-images"
        cohort = checks.attempt(functools.partial(find_images, cohort, folder, option)) or cohort
    elif not options.without_onnx:  # the graph is compared on them
        checks.attempt(lambda: require_unchanged(cohort, "--labelled-images"))
    checks.raise_if_any()
    try_to_write(out.parent, "--out")
    return winner, cohort


def _tell_run(run: Path, exported: Exported, console: Console) -> None:
    """Keep in the run what was exported; the export is whole where the run cannot be written to."""
    try:
        exported.save(run)
    except DiskError as error:
        console.print(f"the report of the search will not name this export: {error}")
        console.print(f"hash of this export: {exported.sha256}")


def _write(
    folder: Path,
    winner: Winner,
    cohort: Cohort,
    models: Sequence[FinalModel],
    options: ExportOptions,
    console: Console,
) -> Exported:
    """Write the folder, and say what is in it."""
    choice, day = digest_of(winner, cohort), str(date.today())
    winner = winner.without_folders()
    folder.mkdir()
    models = [
        dataclasses.replace(model, config=member.config)
        for model, member in zip(_without_training(models), winner.members, strict=True)
    ]
    for network in (network for model in models for network in model.networks):
        place(network, torch.device("cpu")).eval()
    trained_on = cohort.manifest[cohort.manifest["split"] != "test"]
    found_by = dict(cohort.found_by)
    if not options.keep_identifiers:
        trained_on, _ = trained_on[:0], found_by.pop("patient_pattern", None)
    export = Export(
        **_asked(winner, cohort),
        grouping=cohort.grouping,
        found_by=found_by,
        preprocessing=tuple(
            PreprocessingRecord.of(member.trial, member.config, winner.statistics)
            for member in winner.members
        ),
        trained_on=tuple(trained_on["sha256"]),
        graph=None,
        versions=winner.versions,
    )
    write_models(folder, winner, models)  # before equal stages are made one
    if not options.without_onnx:
        share_stages(models)
        check = _write_graph(folder / GRAPH, winner, cohort, models, console)
        export = export.model_copy(update={"graph": check})
    write_about(folder, export)
    (folder / REQUIREMENTS).write_text(requirements(winner, cohort, export))
    write_card(folder, export, winner, cohort, models)
    content = write_atlas(folder, day, export, winner, cohort)
    return Exported(winner=choice, sha256=content, date=day)


def _without_training(models: Sequence[FinalModel]) -> list[FinalModel]:
    """The same team, whose guards have no number of any training examination."""
    guards = guards_of(models)
    limit = team_limit(guards) if guards else 1.0
    return [
        dataclasses.replace(model, guard=model.guard and model.guard.divided(limit))
        for model in models
    ]


def _asked(winner: Winner, cohort: Cohort) -> dict[str, Any]:
    """What is asked of each image, as `export.json` has it."""
    findings, rules = cohort.findings, cohort.label_rules
    if findings.is_one:
        return {"classes": cohort.classes, "label_rule": rules[0]}
    thresholds = dict(zip(findings.names, winner.thresholds, strict=True))
    return {"classes": findings.names, "label_rules": rules, "thresholds": thresholds}


def _in_graph(winner: Winner, cohort: Cohort) -> dict[str, str]:
    """What is asked of each image, as the metadata of `model.onnx` have it."""
    findings, thresholds = cohort.findings, winner.thresholds
    if findings.is_one:
        negative, positive = cohort.classes
        return {"threshold": repr(thresholds[0]), "negative": negative, "positive": positive}
    return {findings.kinds: json.dumps(findings.names), "thresholds": json.dumps(thresholds)}


def _write_graph(
    path: Path,
    winner: Winner,
    cohort: Cohort,
    models: Sequence[FinalModel],
    console: Console,
) -> GraphCheck:
    num_images = len(cohort.manifest)
    about = {**_in_graph(winner, cohort), "pixels": "grey values, 0 black to 255 white"}
    columns = seen_columns(winner, cohort, models)
    if columns.names:
        known = {one.name: one.known for one in columns.categories}
        about["columns"] = json.dumps({name: known.get(name) for name in columns.names})
    status = console.status("writing model.onnx, and comparing it on every labelled image")
    with status if console.is_terminal else contextlib.nullcontext():
        write_graph(models, columns, about, path, winner)
        difference, image = largest_difference(models, path, cohort, columns, winner)
    if difference > TOLERANCE:
        raise InputError(
            f"model.onnx must give the scores of the team to {TOLERANCE:g} (got a difference of "
            f"{difference:.2g} at {image}): leave it out with --without-onnx"
        )
    console.print(
        f"model.onnx gives the same scores on all {num_images} labelled images: the largest "
        f"difference is {difference:.1g}"
    )
    return GraphCheck(num_images=num_images, largest_difference=difference)
