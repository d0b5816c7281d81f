"""Everything that touches Ray Tune or Optuna."""
