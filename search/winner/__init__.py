"""Choose the winner, and say what the choice is worth."""
