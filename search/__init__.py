"""Find the best trial: Optuna proposes, Ray Tune runs, and a run folder keeps all of it."""
