"""From a request to a recommendation, its approval and its record."""
