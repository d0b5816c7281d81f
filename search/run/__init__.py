"""The run folder: what a search writes, and reads to go on."""
