"""The experiments of the source documents, by name: `cxr-search --preset NAME`.

Each is a file in `presets/`, with the reason for each value. What a document leaves open is the
baseline configuration's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

from search.demo import demo
from search.options.options import PresetName, SearchOptions
from search.space.experiments import Experiments
from search.space.grid import Grid
from search.space.reading import load_yaml
from trainable.backbones.encoder import Encoder
from trainable.backbones.start import Published, Random
from trainable.backbones.weights import find_weights
from trainable.config import TrialConfig
from trainable.errors import Checks, InputError, flag, listing


@dataclass(frozen=True)
class Preset:
    """One document's experiments.

    Attributes:
        options: Options of the search, where the user gives none.
        content: What `Experiments.read` takes.
    """

    options: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of every row that names no others."""
        return {**TrialConfig().model_dump(), **self.content.get("base", {})}


def read_preset(name: PresetName) -> Preset:
    """Read a preset's file."""
    content = dict(load_yaml((files("search.space") / "presets" / f"{name}.yaml").read_text()))
    return Preset(content.pop("options", {}), content)


def with_defaults(asked: SearchOptions) -> SearchOptions:
    """The options with those of the preset and the demo in place of the defaults.

    The demo downloads no weights unless the user asks for them. A preset runs all its rows, and the
    user's own split or folds take the place of its shares.
    """
    defaults: dict[str, Any] = {}
    if asked.space.preset is not None:
        defaults = {"time_budget": None, **read_preset(asked.space.preset).options}
        if {"folds", "folds_by"} & asked.given.keys() or asked.data.split == "keep":
            defaults["shares"] = None
    if asked.is_demo:
        defaults["weights"] = str(Random())
    return asked.replaced({**defaults, **asked.given})


def preset_grid(name: PresetName, options: SearchOptions) -> Grid:
    """The rows of a preset that have weights, with what the options change in all of them.

    Raises:
        InputError: If an option has no meaning for a list of rows.
    """
    found = Experiments.read(read_preset(name).content, f"{name}.yaml", overrides(options))
    backbones, kind = options.space.backbones, options.space.weights
    if backbones:
        found = found.only(lambda config: str(config.backbone) in backbones, "not of --backbones")
    if kind in map(str, (Published(), Random())):
        return Grid(found)
    grid = Grid(found).restricted_to(find_weights(kind, backbones).names, has_gpu=False)
    return _with_classifiers(grid, kind)


def _with_classifiers(grid: Grid, kind: str) -> Grid:
    """The rows whose body is in a folder or file of weights as a whole."""
    found = grid.experiments
    for name in grid.whole_bodies:
        try:
            find_weights(kind, [name], [name])
        except InputError as error:
            found = found.only(partial(_is_without, name), error.problems[0])
    return Grid(found)


def _is_without(name: str, config: TrialConfig) -> bool:
    """Whether a configuration does without the classifier of this backbone."""
    whole = Encoder.read(name)
    return (config.backbone, config.cut) != (whole, whole.network.classifier)


def overrides(options: SearchOptions) -> dict[str, Any]:
    """Settings that the user's options, or the demo, change in every row.

    Raises:
        InputError: If an option has no meaning for a list of rows.
    """
    sizes = ("image_size", "batch_size")
    found = {name: demo.SPACE[name] for name in sizes if options.is_demo}
    for name in (*sizes, "epochs"):
        if options.value(name) is not None:
            found[name] = options.value(name)
    checks = Checks()
    for option, name in (
        ("unfreeze", "unfreeze"),
        ("normalizations", "normalization"),
        ("resize", "resize"),
    ):
        values = options.value(option)
        if len(values) > 1:
            checks.add(f"{flag(option)} must be one value with --preset (got {listing(values)})")
        elif values:
            found[name] = values[0]
    for name in options.space.backbones:
        try:
            _ = Encoder.read(name).network
        except ValueError as error:
            checks.add(f"--backbones: {error}")
    if options.space.space is not None:
        checks.add("--preset has a list of configurations of its own: drop --space")
    checks.raise_if_any()
    return found
