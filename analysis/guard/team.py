"""The guards of a team as one: the mean of their distances, as the score is one of its members'.

The largest distance over the members would tell no more, and call more of the training's own kind
unfamiliar; ranks among the training images would have no number for what is beyond all of these.
"""

from collections.abc import Sequence

import numpy as np

from analysis.guard.guard import Guard, largest_familiar


def team_limit(guards: Sequence[Guard]) -> float:
    """The largest mean distance that is familiar, from those of the training, out of fold.

    Args:
        guards: Of one team, all with the distances of the same training examinations; or none has
            any, and 1 is the limit.
    """
    out_of_fold = np.stack([guard.out_of_fold.numpy() for guard in guards])
    return largest_familiar(out_of_fold.mean(axis=0)) if out_of_fold.size else 1.0
