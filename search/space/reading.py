"""YAML as it is read here, and one setting of a file as a dimension: a value, list or range."""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, cast, get_args

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from search.space.dimension import Choices, Dimension, Range, Scalar
from search.space.settings import SETTINGS
from trainable.config import TrialConfig
from trainable.errors import Checks, did_you_mean, explain, explain_detail


class _Loader(yaml.SafeLoader):
    """YAML as PyYAML reads it, but a setting that is named twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"named twice: {', '.join(sorted(twice))}")
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Content of a YAML file; an empty one has no settings."""
    content = yaml.load(text, _Loader)
    return {} if content is None else content


def read_dimension(name: str, raw: object) -> Dimension:
    """Read one setting of a file.

    Args:
        name: Name of the setting, a field of `TrialConfig`.
        raw: Value, list, or mapping with `low` and `high`.

    Raises:
        ValueError: Naming the rule that is broken; an InputError names several.
    """
    if isinstance(raw, Mapping):
        return _range(name, raw)
    if not isinstance(raw, list | tuple):
        return Choices((_value(name, raw),), fixed=True)
    if not raw:
        raise ValueError("a list must name at least one value")
    values = _values(name, raw)
    word = SETTINGS[name].open_word
    if len(values) > 1 and word in values:
        raise ValueError(f"{word!r} must stand alone (got {list(values)})")
    if len(set(values)) < len(values):
        raise ValueError(f"a list must name a value once (got {list(values)})")
    return Choices(values)


def _values(name: str, raw: Sequence[object]) -> tuple[Scalar, ...]:
    """The values of a list; what is wrong with each of them is said at once."""
    values, checks = [], Checks()
    for one in raw:
        try:
            values.append(_value(name, one))
        except ValueError as error:
            checks.add(str(error))
    checks.raise_if_any()
    return tuple(values)


def _range(name: str, raw: Mapping[Any, Any]) -> Range:
    setting, rule = SETTINGS[name], TrialConfig.model_fields[name]
    if setting.no_range:
        raise ValueError(setting.no_range)
    if rule.annotation not in (int, float) or setting.words:
        raise ValueError(f"must be a value or a list of values (got {dict(raw)})")
    try:
        ends = {str(key): value for key, value in raw.items()}
        found = Range(**{**ends, "whole": rule.annotation is int})
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, known=Range.model_fields))) from None
    for end in (found.low, found.high):
        _value(name, end)
    return found


def _value(name: str, raw: object) -> Scalar:
    """One value as a trial takes it, of the type that Optuna can keep."""
    setting = SETTINGS[name]
    words = (*filter(None, (setting.open_word,)), *setting.words)
    if isinstance(raw, str) and raw in words:
        return raw
    try:
        found = _FIELDS[name].dump_python(_FIELDS[name].validate_python(setting.read(raw)))
    except ValidationError as error:
        [detail, *_] = error.errors()
        if detail["type"] != "literal_error":
            raise ValueError(explain_detail(detail, "")) from None
        words = get_args(TrialConfig.model_fields[name].annotation)
        raise ValueError(f"unknown {str(raw)!r}; {did_you_mean(str(raw), words)}") from None
    if not isinstance(found, str | int | float):
        raise ValueError(f"must be a text or a number (got {raw!r})")
    return found


_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(
        cast("Any", Annotated[field.annotation, field]),
        # pydantic takes none for a dataclass, which an encoder is
        config=None if is_dataclass(field.annotation) else ConfigDict(allow_inf_nan=False),
    )
    for name, field in TrialConfig.model_fields.items()
}
"""Reads one setting by its own rule, without those that join it to other settings."""
