"""Ray's own callbacks for MLflow and Weights & Biases, where a user asks for them."""

import logging
import os
import warnings
from importlib.util import find_spec

from ray.tune.logger import LoggerCallback, TBXLoggerCallback

from search.options.options import ToolOptions
from search.run.run_folder import RunFolder
from trainable.errors import Checks, InputError

_SCORES = "scores"  # bytes, in the last report of a trial
_MLFLOW_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def check_tools(tools: ToolOptions) -> None:
    """Refuse a tool that is not installed, or an MLflow that does not answer.

    Raises:
        InputError: Naming every such tool.
    """
    checks = Checks()
    for is_wanted, package in ((tools.mlflow, "mlflow"), (tools.wandb, "wandb")):
        if is_wanted and find_spec(package) is None:
            checks.add(
                f"--{package} needs the package {package}: install the extra {package} "
                f"(uv sync --extra {package}), or drop the option"
            )
    checks.raise_if_any()
    if tools.mlflow:
        _reach_mlflow(tools.mlflow)


def _reach_mlflow(uri: str) -> None:
    for name, value in _MLFLOW_PATIENCE.items():
        os.environ.setdefault(name, value)
    import mlflow  # an extra, and slow to import

    for library in ("mlflow", "alembic"):  # importing MLflow sets its level
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow about SQLAlchemy
            mlflow.set_tracking_uri(uri)
            mlflow.search_experiments(max_results=1)
    except Exception as error:  # MLflow raises errors of many kinds for an address
        why = str(error).strip().partition(". ")[0]
        raise InputError(
            f"--mlflow must be the address of an MLflow that answers, such as "
            f"http://HOST:5000 or sqlite:///mlflow.db (got {uri}: {why})"
        ) from error


def check_experiment(tools: ToolOptions, run: RunFolder) -> None:
    """Refuse an MLflow in which the experiment of the run was deleted: it would take no trial.

    Raises:
        InputError: Saying what can be done there, or here.
    """
    if not tools.mlflow:
        return
    import mlflow  # an extra, and slow to import

    name = experiment_of(run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow about SQLAlchemy
        found = mlflow.MlflowClient(tools.mlflow).get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise InputError(
            f"the experiment {name!r} of --mlflow must not be deleted, or it takes no trial: "
            "restore it there, or name another run folder with --out"
        )


def experiment_of(run: RunFolder) -> str:
    """What the trials of a run are called together in MLflow."""
    return f"cxr {run.path.name}"


def loggers(tools: ToolOptions, run: RunFolder) -> list[LoggerCallback]:
    """The callbacks that log trials: TensorBoard's always, and those that are asked for."""
    found: list[LoggerCallback] = [TBXLoggerCallback()]
    if tools.mlflow:
        # importing MLflow takes seconds
        from search.tune.mlflow_logger import MlflowLogger

        found.append(MlflowLogger(tools.mlflow, experiment_of(run), run))
    if tools.wandb:
        # Ray's callback asks for a key unless this is set
        os.environ["WANDB_MODE"] = "offline"
        from ray.air.integrations.wandb import WandbLoggerCallback

        folder = run.path / "wandb"
        folder.mkdir(exist_ok=True)
        found.append(
            WandbLoggerCallback(
                project="cxr", group=run.path.name, excludes=[_SCORES],
                mode="offline", dir=str(folder),
            )
        )  # fmt: skip
    return found
