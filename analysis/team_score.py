"""The score of a team: what its networks share is computed once per image, then come the heads."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.guard.guard import Features
from analysis.guard.team import team_limit
from analysis.model_file import FinalModel, guards_of
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
        frozen: (num_exams, views * width), features of frozen stages, one for all networks that
            have the same.
        present: bool (num_exams, views), which views are there.
        num_passes: How often each image went into frozen stages.
        num_trained: How often each image went into trained stages.
    """

    tables: Mapping[Hashable, Tensor]
    frozen: Mapping[Hashable, Tensor]
    present: Tensor
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
        frozen: dict[Hashable, Tensor] = {}
        num_passes = num_trained = 0
        for seen_as, exams in batches.items():
            maps = SharedMaps(exams.images)
            alike = (model for model in models if model.preprocessing == seen_as)
            for network in (network for model in alike for network in model.networks):
                key = _key(seen_as, network)
                if key not in tables:
                    given = exams._replace(images=network.prefix_from(maps))
                    tables[key] = network.pooled(given)
                    num_trained += len(network.trained) > 0
                    if network.frozen_stages:
                        frozen[_frozen_key(seen_as, network)] = network.frozen_features(given)
            num_passes += maps.num_passes
        present = next(iter(batches.values())).present
        if present is None:
            present = torch.ones(len(next(iter(tables.values()))), 1, dtype=torch.bool)
        return cls(tables, frozen, present, num_passes, num_trained)

    @classmethod
    def joined(cls, parts: Sequence["HeadInputs"]) -> "HeadInputs":
        """Those of several batches, in their order."""
        first = parts[0]
        tables = {key: torch.cat([part.tables[key] for part in parts]) for key in first.tables}
        frozen = {key: torch.cat([part.frozen[key] for part in parts]) for key in first.frozen}
        present = torch.cat([part.present for part in parts])
        return cls(tables, frozen, present, first.num_passes, first.num_trained)

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


def team_distance(models: Sequence[FinalModel], inputs: HeadInputs) -> Tensor | None:
    """How far (num_exams,) examinations are from the training, at most 1 where they are familiar.

    None where no member has a guard.

    Args:
        models: The members of a team.
        inputs: What their frozen stages give.
    """
    distances, present = [], inputs.present
    for model in models:
        if model.guard is not None:
            values = inputs.frozen[_frozen_key(model.preprocessing, model.networks[0])]
            features = Features(values.view(*present.shape, -1), present.to(values.device))
            distances.append(model.guard.distance(features))
    return torch.stack(distances).mean(dim=0) / team_limit(guards_of(models)) if distances else None


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
    return _frozen_key(seen_as, network), id(network) if len(network.trained) else None


def _frozen_key(seen_as: Preprocessing, network: Network) -> Hashable:
    """The same for networks whose frozen stages give the same features."""
    stages = tuple(id(stage) for stage in network.frozen_stages)
    return seen_as, stages, network.fused, network.pool.statistics
