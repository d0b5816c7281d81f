"""The commands of this folder; `python -m search` is `cxr-search`."""

from typing import TYPE_CHECKING

from trainable.commands.start import entry

if TYPE_CHECKING:
    from trainable.commands.cli import Command


@entry
def search() -> "Command":
    """`cxr-search`."""
    from search.command import app

    return app


@entry
def report() -> "Command":
    """`cxr-report`."""
    from search.page.command import app

    return app


if __name__ == "__main__":
    search()
