"""What speaks for a model: figures with intervals, pictures and the card."""
