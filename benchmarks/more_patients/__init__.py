"""How true it is what a run tells of more patients and of other hospitals."""
