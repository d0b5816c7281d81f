"""The search space: one paragraph a dimension, sampled by Optuna as it runs."""

from dataclasses import dataclass
from typing import Any

import optuna

from search.settings import Unfreeze
from trainable.backbones import find_backbone
from trainable.config import TrialConfig

UNFREEZE: tuple[Unfreeze, ...] = ("none", "one", "two", "all")
_NUM_STAGES = {"none": 0, "one": 1, "two": 2}
_HEAD_WIDTHS = (128, 256, 512, 1024)


@dataclass(frozen=True)
class Space:
    """Samples trials; an object of a module's class, since Ray pickles it.

    Attributes:
        backbones: names of the backbones to choose from.
        unfreeze: how many stages may be trained.
        normalizations: to choose from.
        image_size: of every trial, in pixels.
        batch_size: of every trial.
        epochs: of every trial.
        views: of every examination.
    """

    backbones: tuple[str, ...]
    unfreeze: tuple[Unfreeze, ...]
    normalizations: tuple[str, ...]
    image_size: int
    batch_size: int
    epochs: int
    views: int = 1

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Sample one configuration: `number` of the trial, and `trial`, its `TrialConfig`."""
        return {"number": trial.number, "trial": self.sample(trial).model_dump()}

    def sample(self, trial: optuna.Trial) -> TrialConfig:
        """Sample one configuration."""
        # Backbone: the assignment's first question; its five and newer ones.
        backbone = trial.suggest_categorical("backbone", self.backbones)

        # Cut: lower layers are more general, and a smaller body overfits less; the mammogram paper
        # of the source documents found its best cut half way. Each backbone has its own points.
        cut = trial.suggest_categorical(f"cut_{backbone}", find_backbone(backbone).cuts)

        # Unfreeze: how many of the body's last stages learn too. A frozen body costs next to
        # nothing, since its features are shared by all trials.
        unfreeze = trial.suggest_categorical("unfreeze", self.unfreeze)
        num_stages = len(find_backbone(backbone).stages_until(cut))
        num_trained = min(_NUM_STAGES.get(unfreeze, num_stages), num_stages)

        # Normalization: the assignment's second question, with two that fit X-rays better.
        normalization = trial.suggest_categorical("normalization", self.normalizations)

        # Learning rate: around the assignment's 1e-3 for a fresh head; a tenth of that for
        # pre-trained layers, which a larger one destroys. Two names, since their ranges differ.
        if num_trained:
            learning_rate = trial.suggest_float("learning_rate_unfrozen", 1e-5, 1e-3, log=True)
        else:
            learning_rate = trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True)

        # Head: fastai's default is 512 units and dropout 0.5; a few hundred images may want less
        # of the one and more of the other. Weight decay around fastai's 0.01.
        head_width = trial.suggest_categorical("head_width", _HEAD_WIDTHS)
        dropout = trial.suggest_float("dropout", 0.0, 0.8)
        weight_decay = trial.suggest_float("weight_decay", 1e-4, 0.3, log=True)

        # Positive weight: with 12 % positives, F1 at a threshold of 0.5 needs the classes weighed;
        # 8 balances that share.
        positive_weight = trial.suggest_float("positive_weight", 1.0, 16.0, log=True)

        return TrialConfig(
            backbone=backbone,
            cut=cut,
            unfreeze=num_trained,
            normalization=normalization,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            head_layers=(head_width,),
            dropout=dropout,
            positive_weight=positive_weight,
            views=self.views,
            image_size=self.image_size,
            batch_size=self.batch_size,
            epochs=self.epochs,
        )

    def first_trial(self) -> dict[str, Any]:
        """Parameters of the assignment's own configuration, or of the nearest that is searched."""
        assignment = TrialConfig()
        backbone = (
            assignment.backbone if assignment.backbone in self.backbones else self.backbones[0]
        )
        unfreeze = "none" if "none" in self.unfreeze else self.unfreeze[0]
        normalization: str = assignment.normalization
        if normalization not in self.normalizations:
            normalization = self.normalizations[0]
        rate = "learning_rate" if unfreeze == "none" else "learning_rate_unfrozen"
        return {
            "backbone": backbone,
            f"cut_{backbone}": find_backbone(backbone).cuts[-1],
            "unfreeze": unfreeze,
            "normalization": normalization,
            rate: assignment.learning_rate,
            "head_width": assignment.head_layers[0],
            "dropout": assignment.dropout,
            "weight_decay": assignment.weight_decay,
            "positive_weight": assignment.positive_weight,
        }
