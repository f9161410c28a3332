"""From data to candidate models to a champion."""
