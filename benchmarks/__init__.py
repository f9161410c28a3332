"""Speed and quality, measured beside their peers in one run."""
