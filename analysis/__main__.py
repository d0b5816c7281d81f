"""`cxr-predict`: retrain the winner of a search on all labelled images, and predict new ones."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from trainable.commands.door import new_app, run
from trainable.defaults import CACHE, NUM_SEEDS

app = new_app("cxr-predict")
console = Console(highlight=False, soft_wrap=True)


@app.default
def predict(
    run: Path,
    *,
    images: Path,
    template: Path | None = None,
    out: Path = Path("predictions.csv"),
    labels: Path | None = None,
    wanted: float = 0.9,
    seeds: int = NUM_SEEDS,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    cache: Path = CACHE,
) -> None:
    """Predict new images with the winner of a search.

    Parameters
    ----------
    run
        Run folder of the search.
    images
        Folder of images to predict, or a CSV that lists them.
    template
        CSV whose rows, order and columns the predictions follow.
    out
        Predictions file to write; the scores go beside it, into NAME_scores.csv.
    labels
        CSV of the true labels; prints the confusion matrix and the metrics.
    wanted
        Specificity at which the sensitivity is told, and the other way round.
    seeds
        Number of times that each trial of the winner is retrained; the scores are averaged.
    overwrite
        Replace the files that --out names.
    cache
        Folder of decoded images and features, shared by all searches on this machine.
    """
    from analysis.launch import Request, run_request

    request = Request(run, images, template, out, labels, wanted, seeds, overwrite, cache)
    run_request(request, console)


def main() -> None:
    """Run the command."""
    run(app)


if __name__ == "__main__":
    main()
