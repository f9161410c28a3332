"""From dated lines to a forecast, and how well such forecasts did before."""
