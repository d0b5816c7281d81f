"""Read a search space from YAML or TOML, on top of the default one, and write one."""

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from search.demo import demo
from search.options.options import SearchOptions
from search.space.dimension import Cases, Dimension
from search.space.experiments import Experiments
from search.space.grid import Grid
from search.space.protocol import SearchSpace
from search.space.reading import load_yaml, read_dimension
from search.space.settings import ALL, FROZEN, SETTINGS, SPACE_SETTINGS, TRAINED
from search.space.space import FIRST, Space
from trainable.backbones.encoder import Encoder
from trainable.backbones.table import BACKBONES
from trainable.errors import Checks, InputError, did_you_mean, flag


@dataclass(frozen=True)
class Layer:
    """Settings from one place.

    Attributes:
        origin: Name of the place in messages; `{}` stands for the setting.
        settings: Value, list, range or mapping of cases for each setting.
    """

    origin: str
    settings: Mapping[str, Any]


def default_text() -> str:
    """The default space as a file, with a paragraph for each setting."""
    return (files("search.space") / "default.yaml").read_text()


def read_layer(file: Path) -> Layer:
    """Read a user's file.

    Raises:
        InputError: If the file is no mapping in YAML or TOML.
    """
    if not file.is_file():
        raise InputError(f"--space must be a YAML or TOML file; not found: {file}")
    try:
        text = file.read_text()
        content = tomllib.loads(text) if file.suffix.lower() == ".toml" else load_yaml(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"--space must be YAML or TOML; {file}: {why}") from error
    if not isinstance(content, Mapping):
        raise InputError(
            f"--space must name settings, as `image_size: 224` does; {file} holds {content!r}"
        )
    return Layer(f"{file.name}: {{}}", content)


def read_space(options: SearchOptions) -> SearchSpace:
    """The default space, the user's file on it, and on that the options of the command line.

    A file that lists rows is taken as it is.

    Raises:
        InputError: Naming everything in them that is impossible.
    """
    layers = [Layer("the demo's {}", demo.SPACE)] if options.is_demo else []
    narrowed = {
        option: options.value(option)
        for option in SPACE_SETTINGS
        if options.value(option) not in (None, ())
    }
    if options.space.space is not None:
        own = read_layer(options.space.space.expanduser())
        if "rows" in own.settings:
            if narrowed:
                names = ", ".join(map(flag, narrowed))
                raise InputError(f"{names} cannot change rows: set it in {options.space.space}")
            return _listed(own)
        layers.append(own)
    layers += [Layer(flag(name), {SPACE_SETTINGS[name]: raw}) for name, raw in narrowed.items()]
    if options.space.use_covariates:
        layers.append(Layer("--use-covariates", {"covariates": [False, True]}))
    return make_space(*layers)


def kept_space(file: Path) -> SearchSpace:
    """The space of a run folder."""
    layer = read_layer(file)
    return _listed(layer) if "rows" in layer.settings else make_space(layer)


def _listed(layer: Layer) -> Grid:
    return Grid(Experiments.read(layer.settings, layer.origin.removesuffix(": {}")))


def make_space(*layers: Layer) -> Space:
    """The default space with each layer on top of those before it.

    Raises:
        InputError: Naming every setting that is impossible.
    """
    merged: dict[str, Any] = dict(load_yaml(default_text()))
    origins = dict.fromkeys(merged, "default.yaml: {}")
    checks = Checks()
    for layer in layers:
        for setting, raw in layer.settings.items():
            if setting not in merged:
                where = layer.origin.format(setting)
                checks.add(f"{where}: unknown setting; {did_you_mean(str(setting), merged)}")
                continue
            merged[setting] = _merge(setting, raw, merged[setting])
            origins[setting] = layer.origin
    first = checks.attempt(partial(_read_first, merged.pop(FIRST), origins[FIRST], merged))
    dimensions = {
        setting: checks.attempt(partial(_read_cases, setting, raw, origins[setting]))
        for setting, raw in merged.items()
    }
    for unknown in _unknown_cuts(merged, origins["cut"]):
        checks.add(unknown)
    checks.raise_if_any()
    found = {setting: cases for setting, cases in dimensions.items() if cases is not None}
    return Space(found, first or ())


def _unknown_cuts(settings: Mapping[str, Any], origin: str) -> Iterator[str]:
    """A sentence for each cut that neither torchvision's backbones nor those of the space have."""
    raw = settings["cut"]
    cases = raw if isinstance(raw, Mapping) else {"": raw}
    known: dict[str, None] = {}
    for encoder in (*BACKBONES, *_listed_values(settings["backbone"]), *filter(None, cases)):
        with contextlib.suppress(ValueError):  # refused by its own setting
            known |= dict.fromkeys(Encoder.read(str(encoder)).network.all_cuts)
    for case, content in cases.items():
        where = origin.format(f"cut.{case}" if case else "cut")
        for cut in map(str, _listed_values(content)):
            if cut != ALL and cut not in known:
                yield f"{where}: no backbone has the cut {cut!r}; {did_you_mean(cut, known)}"


def _listed_values(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, list | tuple) else [raw]


def _read_first(raw: Any, origin: str, known: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The portfolio: a list of settings with one value each."""
    where = origin.format(FIRST)
    if not isinstance(raw, list) or not all(isinstance(one, Mapping) for one in raw):
        raise InputError(
            f"{where}: must be a list of settings such as [{{head: logistic, C: 0.01}}]"
        )
    checks = Checks()
    for setting, value in (item for one in raw for item in one.items()):
        if setting not in known:
            checks.add(f"{where}: unknown setting; {did_you_mean(str(setting), known)}")
        else:
            checks.attempt(partial(_read_dimension, setting, value, f"{where}.{setting}"))
    checks.raise_if_any()
    return tuple(raw)


def _read_cases(setting: str, raw: Any, origin: str) -> Cases:
    """One setting; backbones whose cuts are not named have all their cuts."""
    if not _is_by_case(setting, raw):
        return Cases(_read_dimension(setting, raw, origin.format(setting)))
    checks = Checks()
    named = {}
    for case, content in raw.items():
        where = origin.format(f"{setting}.{case}")
        try:
            name = _case_name(setting, str(case))
        except ValueError as error:
            checks.add(f"{where}: {error}")
            continue
        found = checks.attempt(partial(_read_dimension, setting, content, where))
        if found is not None:
            named[name] = found
    checks.raise_if_any()
    is_by_encoder = SETTINGS[setting].by == "encoder"
    return Cases(read_dimension(setting, ALL) if is_by_encoder else None, named)


def _case_name(setting: str, case: str) -> str:
    """A case of a setting by its full name.

    Raises:
        ValueError: If there is no such case, with the nearest name.
    """
    if SETTINGS[setting].by == "encoder":
        _ = Encoder.read(case).network
    elif case not in (FROZEN, TRAINED):
        raise ValueError(f"unknown; {did_you_mean(case, (FROZEN, TRAINED))}")
    return str(Encoder.read(case))


def _read_dimension(setting: str, raw: Any, where: str) -> Dimension:
    try:
        return read_dimension(setting, raw)
    except InputError as error:
        raise InputError(*(f"{where}: {problem}" for problem in error.problems)) from None
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def dump_space(space: SearchSpace) -> str:
    """A space as YAML, to be read again by `read_layer`."""
    content = space.to_dict()
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)


def _merge(setting: str, raw: Any, below: Any) -> Any:
    """A mapping of cases leaves the other cases as they were."""
    if _is_by_case(setting, raw) and _is_by_case(setting, below):
        return {**below, **raw}
    return raw


def _is_by_case(setting: str, raw: Any) -> bool:
    if not isinstance(raw, Mapping) or raw.keys() & {"low", "high"}:
        return False
    return setting in SETTINGS and SETTINGS[setting].may_differ
