"""Bad input and faults: what the commands make of them."""
