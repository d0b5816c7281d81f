"""How a command starts: it listens to signals first, since the rest takes a second to import."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainable.commands.stop import stop_signals

if TYPE_CHECKING:
    from trainable.commands.cli import Command


def entry(load: Callable[[], "Command"]) -> Callable[[], None]:
    """The entry of the command that `load` imports; it runs the command and exits."""

    @functools.wraps(load)
    def start() -> None:
        stop_signals.listen()
        from trainable.commands.cli import run

        run(load())

    return start


@entry
def model() -> "Command":
    """`cxr-model`."""
    from trainable.commands.model import app

    return app


@entry
def sort() -> "Command":
    """`cxr-sort`."""
    from trainable.commands.sort import app

    return app


@entry
def cache() -> "Command":
    """`cxr-cache`."""
    from trainable.commands.cache import app

    return app
