"""Which images, labels and patients there are, and how they are split."""
