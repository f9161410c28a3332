"""Pages that show figures: forecast, labour plan, models, policies; nothing is decided there."""
