"""The commands of this folder; `python -m analysis` is `cxr-predict`."""

from typing import TYPE_CHECKING

from trainable.commands.start import entry

if TYPE_CHECKING:
    from trainable.commands.cli import Command


@entry
def predict() -> "Command":
    """`cxr-predict`."""
    from analysis.command import app

    return app


@entry
def export() -> "Command":
    """`cxr-export`."""
    from analysis.export.command import app

    return app


@entry
def compare() -> "Command":
    """`cxr-compare`."""
    from analysis.compare import app

    return app


if __name__ == "__main__":
    predict()
