"""The score of a team: what its networks share is computed once per image, then come the heads."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.model_file import FinalModel
from trainable.errors import num_of
from trainable.images.batches import Batch
from trainable.images.preprocessing import Preprocessing
from trainable.model.network import Network, SharedMaps

Teams = Sequence[Sequence[int]]
"""For each finding the places of its models among all, ascending."""


@dataclass(frozen=True)
class HeadInputs:
    """What the heads of a team take in, but for covariates, and how often stages were run for it.

    Attributes:
        tables: (num_exams, width), one for all heads that take in the same.
        num_passes: How often each image went into frozen stages.
        num_trained: How often each image went into trained stages.
    """

    tables: Mapping[Hashable, Tensor]
    num_passes: int
    num_trained: int

    @classmethod
    def of(
        cls, models: Sequence[FinalModel], batches: Mapping[Preprocessing, Batch]
    ) -> "HeadInputs":
        """Run the bodies of a team; stages that networks share (`share_stages`) run once.

        Args:
            models: The members of a team, on one device.
            batches: The same examinations, normalized as each model takes them in.
        """
        tables: dict[Hashable, Tensor] = {}
        num_passes = num_trained = 0
        for seen_as, exams in batches.items():
            maps = SharedMaps(exams.images)
            alike = (model for model in models if model.preprocessing == seen_as)
            for network in (network for model in alike for network in model.networks):
                key = _key(seen_as, network)
                if key not in tables:
                    tables[key] = network.pooled(exams._replace(images=network.prefix_from(maps)))
                    num_trained += len(network.trained) > 0
            num_passes += maps.num_passes
        return cls(tables, num_passes, num_trained)

    @classmethod
    def joined(cls, parts: Sequence["HeadInputs"]) -> "HeadInputs":
        """Those of several batches, in their order."""
        first = parts[0]
        tables = {key: torch.cat([part.tables[key] for part in parts]) for key in first.tables}
        return cls(tables, first.num_passes, first.num_trained)

    @property
    def cost(self) -> str:
        """What each image has cost, in a line."""
        passes = num_of(self.num_passes, "forward pass", "forward passes")
        trained = f", and {self.num_trained} of trained stages" if self.num_trained else ""
        return f"cost per image: {passes} of frozen stages{trained}"


def team_score(
    models: Sequence[FinalModel],
    inputs: HeadInputs,
    columns: Tensor | None = None,
    teams: Teams | None = None,
) -> Tensor:
    """Scores (num_exams, num_findings): the mean over the models of a team.

    A model's score is the mean over its networks.

    Args:
        models: The members of a team.
        inputs: What their heads take in.
        columns: Covariates of the examinations, `ColumnCode.values`; only some models see them.
        teams: The team of each finding; all models if not given.
    """
    by_model = torch.stack([_mean_score(model, inputs, columns) for model in models])
    if teams is None or all(len(team) == len(models) for team in teams):
        return by_model.mean(dim=0)
    of_each = [by_model[list(team), :, number].mean(dim=0) for number, team in enumerate(teams)]
    return torch.stack(of_each, dim=1)


def _mean_score(model: FinalModel, inputs: HeadInputs, columns: Tensor | None) -> Tensor:
    code, scores = model.column_code, []
    for network in model.networks:
        seen = Batch(inputs.tables[_key(model.preprocessing, network)])
        if code is not None:
            assert columns is not None
            seen = seen._replace(columns=code.encode(columns).to(seen.images.device))
        scores.append(model.outputs.scores(network.head(seen.side_by_side())))
    return torch.stack(scores).mean(dim=0)


def _key(seen_as: Preprocessing, network: Network) -> Hashable:
    """The same for networks whose heads take in the same."""
    stages = tuple(id(stage) for stage in network.frozen_stages)
    own = id(network) if len(network.trained) else None
    return seen_as, stages, network.fused, network.pool.statistics, own
