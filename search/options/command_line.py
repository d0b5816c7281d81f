"""The command line that asks for given options."""

from datetime import timedelta

from search.options.options import SearchOptions
from search.options.types import duration_text
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
