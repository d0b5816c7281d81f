"""What every kind of head can do."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from trainable.config import TrialConfig
from trainable.model.network import Network
from trainable.training.loop import EpochRecord, FoldData, fit


class Head(ABC):
    """A kind of head; as it stands here, one that gradient steps train.

    Attributes:
        title: What a paper calls it.
        is_exact: Whether the log-odds are a sum over the places of an image, and not only nearly so
            around the image.
        is_seeded: Whether another seed gives another network.
    """

    title: ClassVar[str]
    is_exact: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    @abstractmethod
    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The layers between the pooled features and the two logits, newly initialised."""

    def fit(self, network: Network, data: FoldData, config: TrialConfig, seed: int) -> EpochRecord:
        """Fit the head, and train the stages of the body that are not frozen.

        Args:
            network: On its device; changed in place.
            data: Rows to train on, and those to score.
            config: Configuration of the trial.
            seed: Seed of the order of the images and of dropout.

        Returns:
            The record of the last epoch.

        Raises:
            DivergedError: If the loss or the scores are no numbers.
        """
        *_, last = fit(network, data, config, seed)
        return last

    def describe(self, config: TrialConfig) -> str:
        """The setting that matters most, in a few characters."""
        return f"lr {config.learning_rate:.1e}"
