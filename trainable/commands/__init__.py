"""The commands of this folder, and what all commands share; no other room imports cyclopts."""
