"""A seeded world of sales and returns whose best possible predictions are known exactly."""
