"""What a search costs beside its trials: `python -m benchmarks.scale --trials 400 --under-way 8`.

That prints the seconds that Optuna and the ledger take for one more trial, by the number of trials
there are and of those under way. With `--nodes 8` the trials run on Ray's own test cluster of so
many small nodes on this machine, and only report: a row each time that their number has grown
tenfold, of the trials since the row before. The nodes share this machine's cores, so that the
trials a second are theirs; the driver's CPU seconds are its own. With `--keys` it is tables of
features that are stored, in one store, or with `--nodes` in one for each node.
"""

import argparse
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning

from benchmarks.scale.many_nodes import (
    SPACE,
    TABLE,
    TABLE_ROWS,
    features_on_nodes,
    new_run,
    trials_on_nodes,
)
from search.tune.study import STUDY_NAME, StudySearch, open_storage
from trainable.store.arrays import ArrayStore
from trainable.store.table_name import TableName


def suggestions(num_trials: int, num_under_way: int) -> Iterator[dict[str, float]]:
    """Suggest and end trials without Ray; a row each time that the number of trials doubles."""
    with tempfile.TemporaryDirectory() as folder:
        run = new_run(Path(folder, "run"))
        search = StudySearch(SPACE, run, 0, lambda: num_under_way)
        rng = np.random.default_rng(0)
        under_way: deque[tuple[str, dict[str, Any]]] = deque()
        done, began, last = 50, time.perf_counter(), 0
        for number in range(num_trials + num_under_way):
            if len(under_way) == num_under_way:
                name, config = under_way.popleft()
                f1 = rng.random()
                run.log.add(config["number"], "complete", config["trial"], {"objective": f1})
                search.on_trial_complete(
                    name, {"objective": f1, "fold": 5, "training_iteration": 1}
                )
            suggested = search.suggest(str(number))
            assert suggested is not None
            under_way.append((str(number), suggested))
            if number + 1 == done:
                now = time.perf_counter()
                seconds = (now - began) / (done - last)
                yield {"trials": done, "under way": num_under_way, "seconds a trial": seconds}
                done, began, last = 2 * done, time.perf_counter(), done


def after(num_trials: int, num_suggestions: int = 5) -> dict[str, float]:
    """Write a study of random trials, and suggest a few more."""
    with tempfile.TemporaryDirectory() as folder, patch("os.fsync"):
        run = new_run(Path(folder, "run"))
        log = optuna.create_study(storage=open_storage(run), study_name=STUDY_NAME)
        drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        rng = np.random.default_rng(0)
        for _ in range(num_trials):
            trial = drawn.ask()
            SPACE.sample(trial)
            log.add_trial(drawn.tell(trial, rng.random()))
        sampler = optuna.samplers.TPESampler(
            seed=0, multivariate=True, group=True, constant_liar=True
        )
        study = optuna.load_study(storage=open_storage(run), study_name=STUDY_NAME, sampler=sampler)
        began = time.perf_counter()
        for _ in range(num_suggestions):
            SPACE.sample(study.ask())
        seconds = (time.perf_counter() - began) / num_suggestions
        return {"trials": num_trials, "seconds per suggestion": seconds}


def keys(num_keys: int) -> Iterator[dict[str, float]]:
    """Store small tables; a row each time that their number grows tenfold."""
    with tempfile.TemporaryDirectory() as folder:
        store = ArrayStore(Path(folder), budget=2**40)
        done, began, last = 10, time.perf_counter(), 0
        for number in range(1, num_keys + 1):
            name = TableName(f"features-{number:08d}", TABLE_ROWS)
            store.get_or_compute(name, TABLE.shape[1:], TABLE.dtype, TABLE.__getitem__)
            if number == min(done, num_keys):
                added = (time.perf_counter() - began) / (number - last)
                fresh = ArrayStore(Path(folder))
                began = time.perf_counter()
                fresh.get(name)
                opened = time.perf_counter() - began
                began = time.perf_counter()
                store.make_room(TABLE.nbytes)
                room = time.perf_counter() - began
                yield {"tables": number, "add": added, "open": opened, "make room": room}
                done, began, last = 10 * done, time.perf_counter(), number


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=0, help="test cluster of so many nodes")
    parser.add_argument("--after", type=int, default=0, help="a suggestion after so many trials")
    parser.add_argument("--keys", type=int, default=0, help="store so many tables")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--under-way", type=int, default=8)
    options = parser.parse_args()
    if options.after:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", ExperimentalWarning)
        rows = [after(10**n) for n in range(2, len(str(options.after)))]
    elif options.keys and options.nodes:
        rows = list(features_on_nodes(options.nodes, options.keys))
    elif options.keys:
        rows = list(keys(options.keys))
    elif options.nodes:
        rows = trials_on_nodes(options.nodes, options.trials)
    else:
        rows = list(suggestions(options.trials, options.under_way))
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
