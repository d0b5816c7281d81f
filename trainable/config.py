"""All that defines one trial: what was sampled and what the search keeps fixed, checked."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import Pool
from trainable.images.preprocessing import NormalizationName, Preprocessing, Resize, Square

NO_LAYERS = "none"


def _read_encoder(value: Any) -> Encoder:
    if isinstance(value, str):
        return Encoder.read(value)
    if not isinstance(value, Encoder):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    return value


EncoderName = Annotated[Encoder, PlainValidator(_read_encoder), PlainSerializer(str)]
"""An encoder, which is its name in a cell of a table as in JSON."""


def _read_layers(value: Any) -> Any:
    """`256,64` and `none` as they are written; anything else is left to pydantic to judge."""
    if not isinstance(value, str):
        return value
    return [] if value.strip() == NO_LAYERS else value.split(",")


def _write_layers(layers: tuple[int, ...]) -> str:
    return ",".join(map(str, layers)) or NO_LAYERS


NetworkHead = Literal["fastai", "plain"]
"""Heads that gradient steps train, with the last stages of the body or without."""

FrozenHead = Literal["logistic"]
"""Heads that are fitted at once, to the features of a frozen body."""

HeadName = Literal[NetworkHead, FrozenHead]

HeadLayers = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    BeforeValidator(_read_layers),
    PlainSerializer(_write_layers),
]
"""Units of each hidden layer; written `256,64`, or `none`, in one cell of a table as in JSON."""


class TrialConfig(BaseModel):
    """Settings of one trial. The defaults are the baseline configuration (docs/space.md).

    Attributes:
        backbone: Encoder that the body is cut from: torchvision's name of a network, and behind an
            `@` the weights that it starts from, if not those of the search.
        cut: name of the cut point after which the body ends.
        unfreeze: how many of the body's last stages are trained; the rest stays frozen.
        normalization: Normalization of the pixels.
        optimizer: PyTorch's AdamW, Adam or SGD.
        momentum: Momentum of SGD; the other optimizers have their own.
        learning_rate: the highest, per gradient step.
        stage_decay: Factor on the learning rate from the head to the last trained stage, and from
            each trained stage to the one below.
        schedule: `one_cycle`, up to the learning rate and down to nothing, as fastai's
            `fit_one_cycle` (the assignment does not name its own); `constant`; or `step`, divided
            by 10 every `step_epochs` epochs.
        step_epochs: epochs between two such steps.
        weight_decay: decoupled with AdamW, an L2 penalty with Adam and SGD; not applied to norms
            and biases (as in fastai).
        pool: What the head sees of each channel: `average`, `maximum`, or `both`; by place `grid`,
            averages over a 3 x 3 grid, or `top`, the mean of the highest 5 % of the places, also
            as `grid+average` and `top+average`; of networks with a class token also `class` or
            `class+average`. Small signs drown in an average over the whole image (arXiv
            2606.11606).
        head: `fastai`: batch norm, dropout and a linear layer without bias for each layer; `plain`:
            linear layers, as torchvision's classifiers are replaced; `logistic`: one L2-penalized
            logistic regression on standardized features, fitted to convergence. It has no epochs,
            no learning rate and no seed, and it needs a frozen body.
        C: Inverse strength of the penalty of the logistic head, as scikit-learn names it.
        head_layers: units of each hidden layer of the head, between the pool and the two outputs.
        norm_statistics: statistics that batch norm scores with: `exact`, those of all training rows
            once training has ended; `running`, the averages that training left, as in fastai.
        dropout: probability before the head's last layer; in fastai's head half of it before each
            hidden layer.
        augment: `light`: each image is turned, shifted and changed in contrast anew in every step;
            it needs a body whose stages are all trained, since frozen ones run once per image.
        positive_weight: how many times as much as a negative image a positive one counts in the
            loss; folds that have more or fewer positives than the whole cohort make up for it. Of
            several classes it is that of all but the most frequent one, and no class counts for
            more than that one.
        positive_copies: how many views of a positive image are trained on: itself, and augmented
            ones; 5 as in Deep-COVID.
        covariates: Whether the head sees the covariates of the table, such as age and sex,
            beside the features; it needs a frozen body.
        views: Number of images per examination. Each has its own features before the head.
        image_size: edge of the square images, in pixels.
        resize: How an image becomes a square: `stretch` it, `pad` it with black, or `crop` it to
            its central square. Stretching changes the ratio of heart to chest.
        batch_size: images per gradient step; the last batch of an epoch may be smaller.
        epochs: passes over the training images.
        seed: another number is another draw of the head, the order of the images and dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: EncoderName = Encoder("squeezenet1_0")
    cut: str = "features"
    unfreeze: int = Field(0, ge=0)
    normalization: NormalizationName = "none"
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = Field(0.9, ge=0, lt=1)
    learning_rate: float = Field(1e-3, gt=0)
    stage_decay: float = Field(1.0, gt=0, le=1)
    schedule: Literal["constant", "step", "one_cycle"] = "one_cycle"
    step_epochs: int = Field(7, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    pool: Pool = "both"
    head: HeadName = "fastai"
    C: float = Field(1.0, gt=0)
    head_layers: HeadLayers = (512,)
    norm_statistics: Literal["exact", "running"] = "exact"
    dropout: float = Field(0.5, ge=0, lt=1)
    augment: Literal["none", "light"] = "none"
    positive_weight: float = Field(1.0, gt=0)
    positive_copies: int = Field(1, ge=1)
    covariates: bool = False
    views: int = Field(1, ge=1)
    image_size: int = Field(320, ge=32)
    resize: Resize = "stretch"
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(5, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to an image before the network sees it."""
        return self.backbone.preprocessing(Square(self.image_size, self.resize), self.normalization)

    @property
    def odds_factor(self) -> float:
        """How many times too high training makes the odds that an image is positive.

        Each positive image counts that often: by its weight in the loss, and by its copies.
        """
        return self.positive_weight * self.positive_copies

    def without_folders(self) -> "TrialConfig":
        """The same settings without the folders above a file of weights."""
        return self.model_copy(update={"backbone": self.backbone.without_folders()})

    @model_validator(mode="after")
    def _fits_its_backbone(self) -> "TrialConfig":
        backbone = self.backbone.network
        stages = backbone.stages_until(self.cut)
        if self.pool not in backbone.layout.pools:
            raise ValueError(
                f"pool must be one of {', '.join(backbone.layout.pools)} with {backbone.name}, "
                f"which has no class token (got {self.pool})"
            )
        if backbone.channels == 1 and self.normalization != "own":
            raise ValueError(
                f"normalization must be own with {backbone.name}, which takes in images of one "
                f"channel (got {self.normalization})"
            )
        if self.unfreeze > len(stages):
            raise ValueError(
                f"unfreeze must be at most the number of stages until the cut, {len(stages)} "
                f"(got {self.unfreeze})"
            )
        if self.unfreeze and self.cut == FUSED:
            raise ValueError(
                f"the cut {FUSED} needs a frozen body, unfreeze 0 (got {self.unfreeze}); to train "
                f"stages, choose one of {', '.join(backbone.cuts)}"
            )
        if self.unfreeze and self.head in get_args(FrozenHead):
            raise ValueError(
                f"the {self.head} head needs a frozen body, unfreeze 0 (got {self.unfreeze}); to "
                f"train stages, choose the head {' or '.join(get_args(NetworkHead))}"
            )
        if self.unfreeze and self.covariates:
            raise ValueError(
                f"covariates need a frozen body, unfreeze 0 (got {self.unfreeze}): their numbers "
                "stand behind stored features"
            )
        if self.augment != "none" and self.unfreeze < len(stages):
            raise ValueError(
                f"augment {self.augment} needs a body whose stages are all trained, unfreeze "
                f"{len(stages)} (got {self.unfreeze}); train all, or choose augment none"
            )
        return self
