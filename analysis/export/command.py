"""`cxr-export`: write the team of a run as one folder that predicts without the run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from analysis.options import MODEL, ExportOptions
from trainable.commands.cli import new_app

app = new_app("cxr-export")
console = Console(highlight=False, soft_wrap=True)


@app.default
def export(
    run: Annotated[Path, Parameter(group=MODEL)],
    /,
    *,
    options: Annotated[ExportOptions, Parameter(name="*")],
) -> None:
    """Write the winner of a search as one folder, for another machine.

    Args:
        run: Run folder of the search.
        options: Where to write it.
    """
    # PyTorch takes seconds to import: not before the command line is known to be right
    from analysis.export.launch import launch

    launch(run, options, console)
