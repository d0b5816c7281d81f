"""How far a reported F1 can be trusted."""
