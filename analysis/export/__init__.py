"""Take the team of a run away: one folder that predicts without the run."""
