"""Claims of the README, measured: each module prints its table and ends with a line of JSON."""
