"""A team whose promise is compared with labels: that of the search, or that of a site."""

from dataclasses import dataclass
from pathlib import Path

from analysis.elsewhere.compare import Comparison, Labelled, compare
from analysis.elsewhere.local import told_by_site
from analysis.elsewhere.site import Site, sites_that_saw
from analysis.elsewhere.told import Told
from analysis.evaluate import JudgedFindings
from analysis.export.folder import is_export
from analysis.guard.familiarity import Familiarity
from analysis.new_images import NewImages
from analysis.true_labels import TrueLabels
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored
from trainable.run.winner import Winner


@dataclass(frozen=True)
class Promised:
    """A team, and what was told of it.

    Attributes:
        folder: Run folder, or that of an exported team.
        winner: Winner of the search, or as recalibrated to a site.
        cohort: Cohort of the search.
        site: Name and content of the site; None where the search has told.
    """

    folder: Path
    winner: Winner
    cohort: Cohort
    site: tuple[str, Site] | None

    def told(self, operating_point: float) -> Told:
        """What the site told, or else the search.

        Raises:
            InputError: If the scores of a member are missing or damaged.
        """
        if self.site is not None:
            name, site = self.site
            return told_by_site(site, name)
        run = None if is_export(self.folder) else self.folder
        return Told.by_search(run, self.winner, self.cohort, operating_point)

    def compare(
        self,
        new: NewImages,
        known: Familiarity,
        truth: TrueLabels,
        scored: Scored,
        judged: JudgedFindings,
        operating_point: float,
    ) -> Comparison:
        """Compare what was told with labels of new images.

        Args:
            new: The new images that have scores.
            known: Which of them are unlike those of the training.
            truth: Their labels.
            scored: The same labels, with patients and scores.
            judged: What the scores are worth.
            operating_point: Specificity at which sensitivity is reported, and the reverse.

        Raises:
            InputError: As `told` does.
        """
        unlike, hashes = known.unlike(new)[truth.rows], new.hashes_of(truth.rows)
        seen = sites_that_saw(self.folder, hashes)
        labelled = Labelled.of(scored, unlike, hashes, self.cohort, seen)
        return compare(self.told(operating_point), self.winner, labelled, judged, operating_point)
