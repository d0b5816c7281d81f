"""How sure the score of one image is: how far models of other cohorts would be from it."""
