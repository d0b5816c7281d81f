"""The demo: phantoms of chest X-rays whose best possible F1 is known."""
