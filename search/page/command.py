"""`cxr-report`: write the page of a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from search.options.types import HeatMaps
from trainable.commands.cli import new_app

app = new_app("cxr-report")
console = Console(highlight=False, soft_wrap=True)


@app.default
def report(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    heat_maps: HeatMaps = "auto",
    labelled_images: Annotated[Path | None, Parameter(metavar="FOLDER")] = None,
    for_sharing: bool = False,
    learning_curve: bool = False,
    judge_across: Annotated[str | None, Parameter(metavar="COLUMN")] = None,
    robustness: bool = False,
) -> None:
    """Write what a search found as a self-contained HTML report.

    Args:
        run: Run folder of a search that has a winner.
        out: File to write; report.html in the run folder if not given.
        heat_maps: Add heat maps of a few X-rays; auto: only if that takes seconds.
        labelled_images: Folder of the search's labelled images, if they have moved.
        for_sharing: Leave out X-rays, names of images, and names of folders.
        learning_curve: Find out what more patients would be worth.
        judge_across: Column such as site or dicom:Manufacturer: judge heads on each of its values
            that were trained on all others.
        robustness: Find out what small changes of 100 images do to their scores.

    What is found out is kept in the run folder, and shown on each later page.
    """
    # SciPy and matplotlib take seconds to import: not before the command line is known to be right
    from search.page.page import require_shareable, write_report
    from search.rescored.across import judge_across as judge
    from search.rescored.across import keep_across
    from search.rescored.growing import draw_curve
    from search.rescored.robust import judge_robustness, keep_robustness
    from search.results.search_result import SearchResult
    from trainable.files import try_to_write
    from trainable.run.places import ANOTHER_RUN

    require_shareable(heat_maps, for_sharing=for_sharing)
    result = SearchResult.read(run)
    if learning_curve or judge_across is not None or robustness:
        try_to_write(result.run, ANOTHER_RUN)
    if judge_across is not None:
        across = judge(result, judge_across, labelled_images, console.print)
        keep_across(result, across)
        for line in across.lines:
            console.print(f"  {line}")
    if learning_curve:
        draw_curve(result, labelled_images, console.print)
    if robustness:
        robust = judge_robustness(result, labelled_images, console.print)
        keep_robustness(result, robust)
        for line in robust.lines:
            console.print(f"  {line}")
    page, private = write_report(result, out, heat_maps, labelled_images, for_sharing=for_sharing)
    console.print(f"report: {page}")
    if private:
        console.print(f"note: it shows {private}; leave them out with --for-sharing")
