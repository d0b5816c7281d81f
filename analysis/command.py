"""`cxr-predict`: retrain the winner of a search on all labelled images, and predict new ones."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from analysis.options import MODEL, PredictOptions
from trainable.commands.cli import new_app

app = new_app("cxr-predict")
console = Console(highlight=False, soft_wrap=True)


@app.default
def predict(
    run: Annotated[Path, Parameter(group=MODEL)],
    /,
    *,
    options: Annotated[PredictOptions, Parameter(name="*")],
) -> None:
    """Predict new images with the winner of a search.

    Args:
        run: Run folder of the search, or folder of cxr-export.
        options: What to predict.
    """
    # PyTorch takes seconds to import: not before the command line is known to be right
    from analysis.launch import launch

    launch(run, options, console)
