"""What one trial does, in plain PyTorch: cohort -> pixels -> features -> out-of-fold scores."""

import os

# PyTorch reads it as it is imported, and says of each operation that Apple's GPU lacks that it runs
# on the processor
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
