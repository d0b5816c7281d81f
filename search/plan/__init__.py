"""From the options to a plan: every check that needs no trial."""
