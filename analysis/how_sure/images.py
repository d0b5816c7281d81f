"""The training images and the new ones as the heads of a trial see them, each computed once."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.how_sure.refits import TrialImages
from analysis.new_images import NewImages
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, TrialRows, make_folds
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.batches import by_examination
from trainable.images.loading import load_images
from trainable.model.covariate_encoder import ColumnCode
from trainable.run.winner import Winner
from trainable.training.steps import num_steps
from trainable.trial.cross_validation import assemble
from trainable.trial.task import Materials


@dataclass
class SeenImages:
    """What the frozen networks make of the training images and the new ones.

    Features are those of the store; what it lacks is computed, and kept there.

    Attributes:
        winner: Winner of the search.
        cohort: Its labelled images.
        materials: The same as trials take them in.
        new: New images.
        code: What their covariates are coded by.
        num_forwarded: Training images whose features the store lacked so far, once per pass.
    """

    winner: Winner
    cohort: Cohort
    materials: Materials
    new: NewImages
    code: ColumnCode
    num_forwarded: int = field(default=0, init=False)

    def of(self, config: TrialConfig) -> TrialImages:
        """The images as a trial sees them."""
        materials, new = self.materials, self.new
        parts = assemble(config, materials)
        self.num_forwarded += parts.body.num_forwarded
        square, statistics = config.preprocessing.square, self.winner.statistics
        images = load_images(new.paths, new.hashes, square, statistics, materials.store)
        body = Body(images, config, materials.weights, materials.device)
        features, _ = frozen_inputs(body, materials.store)
        columns = self.code.columns(new.columns) if config.covariates else pd.DataFrame()
        return TrialImages(
            parts,
            num_steps(self._num_rows(parts.rows), config.batch_size, config.epochs),
            by_examination(features, new.exam_images),
            columns.reindex(np.arange(len(new.table))),
        )

    def _num_rows(self, rows: TrialRows) -> int:
        """How many rows each scored model was trained on, one like another."""
        return len(rows.fold(self._scored_fold).train)

    @cached_property
    def _scored_fold(self) -> Fold:
        return make_folds(self.cohort, self.winner.folds, self.winner.seed)[-1]
