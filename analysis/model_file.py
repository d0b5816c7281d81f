"""The final model and its files, safetensors and JSON and never a pickle."""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file
from torch import Tensor

from analysis.guard.guard import Guard
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import seen_rows
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.files import replacing, writing
from trainable.images.preprocessing import PixelStatistics, Preprocessing
from trainable.model.covariate_encoder import NO_COLUMNS, ColumnCode
from trainable.model.network import Network
from trainable.model.outputs import Outputs, outputs_of
from trainable.run.places import ANOTHER_RUN
from trainable.run.winner import Winner
from trainable.trial.cross_validation import build_network

TENSORS = "model.safetensors"
ABOUT = "model.json"
_FROZEN, _GUARD = "frozen.", "guard."


@dataclass(frozen=True)
class FinalModel:
    """A trial retrained with several seeds; its score is the mean of the networks' scores.

    Attributes:
        config: Configuration of every network.
        networks: Networks that differ by their seed and share one frozen part.
        thresholds: A score of at least this is predicted positive, by this model alone; one per
            finding.
        statistics: Mean and standard deviation of the labelled images' pixels.
        classes: Names of the negative and the positive class; of several findings or classes,
            theirs.
        cohort_digest: Digest of the labelled images that the model was trained on.
        guard: What tells images that are unlike those of the training, if it could be fitted.
        unguarded: Why it could not; "" also where an earlier version did not try.
    """

    config: TrialConfig
    networks: tuple[Network, ...]
    thresholds: tuple[float, ...]
    statistics: PixelStatistics
    classes: tuple[str, ...]
    cohort_digest: str
    guard: Guard | None = None
    unguarded: str = ""

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to an image before the networks see it."""
        return self.config.preprocessing

    @property
    def outputs(self) -> Outputs:
        """What the logits of the networks mean."""
        return self.networks[0].outputs

    @property
    def column_code(self) -> ColumnCode | None:
        """What turns covariates into numbers, if the heads see some."""
        return self.networks[0].column_code


def guards_of(models: Sequence[FinalModel]) -> list[Guard]:
    """The guards of a team: of each member that has one."""
    return [model.guard for model in models if model.guard is not None]


def seen_columns(winner: Winner, cohort: Cohort, models: Sequence[FinalModel] = ()) -> ColumnCode:
    """The covariates of the table that some trial of the team sees.

    Args:
        winner: The team.
        cohort: Cohort of the search; an exported one has no columns.
        models: The models of the team, if they are there already.
    """
    if not winner.sees_columns:
        return NO_COLUMNS
    known = (model.column_code for model in models if model.column_code)
    return next(known, None) or ColumnCode.fit(cohort.covariates.iloc[seen_rows(cohort)])


def save_model(model: FinalModel, folder: Path, option: str = ANOTHER_RUN) -> None:
    """Write `model.safetensors` and `model.json` into a new folder, which appears as a whole.

    Args:
        model: What to write.
        folder: Where to write it.
        option: What names another folder, if the disk refuses this one.
    """
    tensors: dict[str, Tensor] = {}
    for number, network in enumerate(model.networks):
        for name, tensor in network.state_dict().items():
            key = name if name.startswith(_FROZEN) else f"networks.{number}.{name}"
            tensors[key] = tensor.detach().cpu().contiguous()
    if model.guard is not None:
        tensors |= {f"{_GUARD}{one.name}": getattr(model.guard, one.name) for one in fields(Guard)}
    about = {
        "config": model.config.model_dump(),
        "columns": model.column_code.model_dump() if model.column_code else None,
        "num_networks": len(model.networks),
        "num_findings": model.outputs.num_findings,
        "exclusive": model.outputs.exclusive,
        "thresholds": model.thresholds,
        "statistics": asdict(model.statistics),
        "classes": model.classes,
        "cohort_digest": model.cohort_digest,
        "unguarded": model.unguarded,
    }
    with writing(folder.parents[1], option), replacing(folder) as partial:
        partial.mkdir()
        save_file(tensors, partial / TENSORS)
        (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def load_model(folder: Path, advice: str = "remove the folder to retrain it") -> FinalModel:
    """Read what `save_model` wrote, on the CPU.

    Args:
        folder: Folder of the model.
        advice: What to do if it cannot be read.

    Raises:
        InputError: If a file is damaged, or one does not fit the other.
    """
    try:
        about = json.loads((folder / ABOUT).read_text())
        tensors = load_file(folder / TENSORS)
        config = TrialConfig(**about["config"])
        columns = about.get("columns")  # older models have none
        code = ColumnCode.model_validate(columns) if columns else None
        # older models are of one finding
        num_findings, exclusive = about.get("num_findings", 1), about.get("exclusive", False)
        outputs = outputs_of(num_findings, exclusive=exclusive)
        networks = _load_networks(config, code, outputs, tensors, about["num_networks"])
        guard = _load_guard(tensors)
    except Exception as error:  # whatever a damaged file makes the readers raise
        raise InputError(f"the model in {folder} cannot be read ({error}); {advice}") from error
    statistics = TypeAdapter(PixelStatistics).validate_python(about["statistics"])
    return FinalModel(
        config,
        networks,
        tuple(about["thresholds"]),
        statistics,
        tuple(about["classes"]),
        about["cohort_digest"],
        guard,
        about.get("unguarded", ""),
    )


def _load_guard(tensors: dict[str, Tensor]) -> Guard | None:
    own = {key.removeprefix(_GUARD): t for key, t in tensors.items() if key.startswith(_GUARD)}
    return Guard(**own) if own else None


def _load_networks(
    config: TrialConfig,
    code: ColumnCode | None,
    outputs: Outputs,
    tensors: dict[str, Tensor],
    num_networks: int,
) -> tuple[Network, ...]:
    """The networks of a model, with one frozen part; a body is slow to build, and is built once."""
    model = config.backbone.network.build()
    first = build_network(model, config, code.width if code else 0, outputs).eval()
    first.column_code = code
    others = (
        copy.deepcopy(first, {id(first.frozen): first.frozen}) for _ in range(1, num_networks)
    )
    networks = first, *others
    shared = {key: t for key, t in tensors.items() if key.startswith(_FROZEN)}
    for number, network in enumerate(networks):
        prefix = f"networks.{number}."
        own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        network.load_state_dict({**shared, **own}, strict=True)
    return networks
