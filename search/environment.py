"""Settings of Ray, and of the C library, that every search needs; what a user has set stays."""

import os

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # our own display replaces Ray's tables and boxes
    "RAY_AIR_NEW_OUTPUT": "0",
    # the ledger replaces result.json and progress.csv, and a resumed study Tuner.restore
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # `Capacity` says how many trials wait for a place, and a failed one reports no metric
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # `SearchStopper` ends a search at a stop signal
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # paths stay what they were on the command line
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Ray's memory monitor kills a trial in a way that ends the whole search
    "RAY_memory_monitor_refresh_ms": "0",
    # a busy machine takes longer than Ray waits for its own processes: 60 s
    "RAY_worker_register_timeout_seconds": "1800",
    # Ray would hold up the search, its imports and its signals, until all workers are there
    "RAY_prestart_worker_first_driver": "0",
    # workers use this Python as it is: under `uv run`, Ray would copy the current folder, data and
    # all, and make an environment of its own for each worker
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # a process keeps the memory of one batch for the next; to have it mapped anew each time takes a
    # third of a training step on a CPU
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31),
    # NumPy's threads wait for each other on a busy processor, and take it from those that compute:
    # the demo's phantoms, drawn while Ray starts, took 10 to 18 s on two cores, and take 2.3 s
    "OPENBLAS_NUM_THREADS": "1",
    # a trial without GPUs must not see any
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


def set_defaults() -> None:
    """Set what is not set. Ray reads some of it when it is imported, so this comes before."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
