"""One network: body, pool and head."""
