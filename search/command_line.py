"""The command line that asks for given options."""

from datetime import timedelta

from search.option_types import duration_text
from search.options import SearchOptions
from trainable.errors import flag


def command_line(options: SearchOptions) -> list[str]:
    """The words of a command that asks for the same search; what has its default is left out."""
    words, unchanged = ["cxr-search"], SearchOptions()
    for name, value in options.given.items():
        if value == unchanged.value(name):
            continue
        if value is True:
            words.append(flag(name))
        else:
            words += [flag(name), _text(value)]
    return words


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return duration_text(value)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
