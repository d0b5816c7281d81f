"""What was told of a winner beside what other labels show, and where the difference comes from."""
