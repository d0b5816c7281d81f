"""Lists of configurations, in named experiments, as a file holds them."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from trainable.backbones.backbone import Backbone
from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import count_trained, read_unfreeze
from trainable.config import TrialConfig
from trainable.errors import Checks, InputError, explain, listing, num_of

TableName = Literal["counts", "accuracy", "detection"]
"""Tables that a report can print of an experiment."""


@dataclass(frozen=True)
class Row:
    """One configuration: a row of an experiment's table."""

    experiment: str
    name: str
    config: TrialConfig

    @property
    def title(self) -> str:
        """Name of the row among all experiments."""
        return f"{self.experiment}, {self.name}"


class _File(BaseModel):
    """The keys of a file. `base` holds settings of all rows; a row names those that differ."""

    model_config = ConfigDict(extra="forbid")

    about: str = ""
    table: TableName = "counts"
    figures: bool = False
    own_seeds: bool = False
    base: dict[str, Any] = {}
    rows: list[Any] = Field(min_length=1)
    left_out: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Experiments:
    """Rows that are run as they are listed.

    Attributes:
        rows: Rows in their order; all rows of an experiment stand together.
        left_out: Titles of the rows that cannot run, by the reason.
        about: What the experiments are, in a sentence.
        table: Table that the report prints.
        figures: Whether the report draws curves and histograms.
    """

    rows: tuple[Row, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: str = ""
    table: TableName = "counts"
    figures: bool = False

    @classmethod
    def read(
        cls, content: Mapping[str, Any], origin: str, overrides: Mapping[str, Any] | None = None
    ) -> "Experiments":
        """Read the content of a file.

        Args:
            content: Keys of `_File`.
            origin: Name of the file in messages.
            overrides: Settings that take the place of those of `base`. A row that is impossible
                with them is left out.

        Raises:
            InputError: Naming every row that is impossible by itself.
        """
        try:
            file = _File.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{origin}: {reason(error, _File.model_fields)}") from None
        rows, checks, left_out = [], Checks(), file.left_out
        for number, raw in enumerate(file.rows):
            base = {**file.base, "seed": number} if file.own_seeds else file.base
            try:
                title, name, settings = _named(raw, number)
                _config({**base, **settings})
            except (ValueError, TypeError) as error:
                checks.add(f"{origin}: row {number + 1}: {reason(error)}")
                continue
            try:
                rows.append(Row(title, name, _config({**base, **(overrides or {}), **settings})))
            except ValueError as error:
                left_out = _with(left_out, reason(error), [f"{title}, {name}"])
        checks.raise_if_any()
        return cls(tuple(rows), left_out, file.about, file.table, file.figures)

    def to_dict(self) -> dict[str, Any]:
        """Content of a file; each row has all its settings."""
        rows = [
            {"experiment": row.experiment, "name": row.name, **row.config.model_dump()}
            for row in self.rows
        ]
        left_out = {why: list(titles) for why, titles in self.left_out.items()}
        about = {"about": self.about, "table": self.table, "figures": self.figures}
        return {**about, "rows": rows, "left_out": left_out}

    def by_title(self) -> Iterator[tuple[str, list[int]]]:
        """Title of each experiment and the numbers of its rows."""
        numbered = enumerate(self.rows)
        for title, rows in groupby(numbered, key=lambda item: item[1].experiment):
            yield title, [number for number, _ in rows]

    def only(self, keep: Callable[[TrialConfig], bool], why: str) -> "Experiments":
        """The rows to keep; the others are left out, with the reason."""
        kept = tuple(row for row in self.rows if keep(row.config))
        gone = [row.title for row in self.rows if row not in kept]
        return replace(self, rows=kept, left_out=_with(self.left_out, why, gone))

    def check(self, trials: int | None) -> None:
        """Refuse a list without rows, and more trials than rows.

        Raises:
            InputError: With the reasons, if every row was left out.
        """
        if self.left_out and not self.rows:
            raise InputError(*(f"no row is left to run: {why}" for why in self.left_out))
        if self.rows and trials is not None and trials > len(self.rows):
            raise InputError(
                f"--trials must be at most the {num_of(len(self.rows), 'row')} (got {trials})"
            )

    def same_networks(self, numbers: Sequence[int]) -> list[list[int]]:
        """Those of the rows that differ by nothing but their seed, two and more together."""
        by_config: dict[str, list[int]] = {}
        for number in numbers:
            without_seed = self.rows[number].config.model_copy(update={"seed": 0})
            by_config.setdefault(without_seed.model_dump_json(), []).append(number)
        return [numbers for numbers in by_config.values() if len(numbers) > 1]


def _named(raw: object, number: int) -> tuple[str, str, dict[str, Any]]:
    """The experiment, the name and the settings of a row of a file."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"must name settings, as {{backbone: resnet18}} does (got {raw!r})")
    settings = dict(raw)
    title = str(settings.pop("experiment", "experiment"))
    return title, str(settings.pop("name", number + 1)), settings


def _config(settings: Mapping[str, Any]) -> TrialConfig:
    """The configuration of a row; its cut is the backbone's last one if it names none.

    `fastai_cut` is a cut as fastai counts it, and `unfreeze` may be `all`.

    Raises:
        ValueError: If the configuration is impossible.
    """
    found = dict(settings)
    encoder = Encoder.read(str(found.setdefault("backbone", TrialConfig().backbone)))
    backbone = encoder.network
    if "fastai_cut" in found:
        found["cut"] = fastai_cut(backbone, found.pop("fastai_cut"))
    cut = found.setdefault("cut", backbone.cuts[-1])
    if isinstance(word := found.get("unfreeze"), str):
        try:
            found["unfreeze"] = count_trained(read_unfreeze(word), len(backbone.stages_until(cut)))
        except ValueError as error:
            raise ValueError(f"unfreeze {error}") from None
    return TrialConfig(**found)


def reason(error: Exception, known: Collection[str] = TrialConfig.model_fields) -> str:
    """Why a configuration is impossible, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(explain(error, known=known))


def _with(
    left_out: Mapping[str, tuple[str, ...]], why: str, titles: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """More rows that are left out for a reason."""
    more = {why: (*left_out.get(why, ()), *titles)} if titles else {}
    return {**left_out, **more}


def fastai_cut(backbone: Backbone, cut: int | None) -> str:
    """The cut point whose body is what fastai's `create_body(model, cut=cut)` keeps.

    Fastai keeps `list(model.children())[:cut]`, so that different numbers may name one network:
    SqueezeNet has two children, and -1, 1 and None are its `features`, 2 and 20 its `classifier`.

    Args:
        backbone: whose children are cut.
        cut: fastai's; None keeps the children before the last that holds a pooling layer.

    Raises:
        ValueError: if that body is none, cannot be run, or ends at no cut point of the backbone.
    """
    model = backbone.build()
    children = dict(model.named_children())
    end = _before_last_pool(model) if cut is None else cut
    kept = list(children)[:end]
    said = f"fastai's cut {cut} of {backbone.name}"
    if not kept:
        raise ValueError(f"{said} keeps none of its children, {listing(children)}")
    layers = _layers([children[name] for name in kept])
    for ours in backbone.all_cuts:
        if _layers(backbone.body(model, ours)) == layers:
            return ours
    last, kinds = kept[-1], {type(module) for module in children[kept[-1]].modules()}
    if nn.Linear in kinds and nn.Flatten not in kinds:
        why = (
            f"keeps {last}, which takes flat features: torchvision flattens the maps in its "
            "forward, which a slice of children leaves out, so that such a body cannot be run"
        )
    elif last in backbone.cuts:
        why = f"keeps {last} without the ReLU that torchvision applies behind it, and we with it"
    else:
        why = f"ends after {last}, which is no cut point; cut points: {listing(backbone.cuts)}"
    raise ValueError(f"{said} {why}")


def _before_last_pool(model: nn.Module) -> int:
    """How many children come before the last that holds a pooling layer, by fastai's rule."""
    children = list(model.children())
    return max(
        number
        for number, child in enumerate(children)
        if any(re.search(r"Pool[123]d$", type(module).__name__) for module in child.modules())
    )


def _layers(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """The layers in them, in order; without dropout, which does nothing in a frozen body."""
    layers = [layer for module in modules for layer in module.modules()]
    return [one for one in layers if not any(one.children()) and not isinstance(one, nn.Dropout)]
