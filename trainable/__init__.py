"""What one trial does, in plain PyTorch: cohort -> pixels -> features -> out-of-fold scores."""
