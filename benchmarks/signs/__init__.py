"""What a head sees of signs that are small beside the picture."""
