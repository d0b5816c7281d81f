"""All that defines one trial: what was sampled and what the search keeps fixed, checked."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainable.backbones import find_backbone
from trainable.normalization import NormalizationName


class TrialConfig(BaseModel):
    """Settings of one trial. The defaults are the assignment's own configuration.

    Attributes:
        backbone: torchvision's name of the network that the body is cut from.
        cut: name of the cut point after which the body ends.
        unfreeze: how many of the body's last stages are trained; the rest stays frozen.
        normalization: of the pixels.
        learning_rate: of AdamW, constant, per gradient step.
        weight_decay: of AdamW, decoupled; not applied to norms and biases (as in fastai).
        head_width: units of the head's hidden layer.
        dropout: probability before the head's last layer; half of it before its hidden layer.
        positive_weight: weight of a positive image in the loss; a negative one weighs 1.
        positive_views: how many views of a positive image are trained on: itself, and augmented
            ones; 5 as in Deep-COVID.
        views: of an examination, each an image with features of its own before the head.
        image_size: edge of the square images, in pixels.
        batch_size: images a gradient step; the last batch of an epoch may be smaller.
        epochs: passes over the training images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: str = "squeezenet1_0"
    cut: str = "features"
    unfreeze: int = Field(0, ge=0)
    normalization: NormalizationName = "none"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    head_width: int = Field(512, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    positive_weight: float = Field(1.0, gt=0)
    positive_views: int = Field(1, ge=1)
    views: int = Field(1, ge=1)
    image_size: int = Field(320, ge=32)
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(5, ge=1)

    @model_validator(mode="after")
    def _fits_its_backbone(self) -> "TrialConfig":
        stages = find_backbone(self.backbone).stages_until(self.cut)
        if self.unfreeze > len(stages):
            raise ValueError(
                f"unfreeze must be at most the number of stages until the cut, {len(stages)}; "
                f"got {self.unfreeze}"
            )
        return self
