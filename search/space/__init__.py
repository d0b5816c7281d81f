"""What is searched: a sampled space or a fixed list of configurations."""
