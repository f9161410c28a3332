"""The daily work around the cases: commands, deliveries, deadlines, forecasts, metrics and exports."""
