"""How well a search predicts, beside a logistic regression."""
