"""How often the interval of an image holds the score of a model from another cohort."""
