"""From a folder or a table of a user to checked images, labels, patients and covariates."""
