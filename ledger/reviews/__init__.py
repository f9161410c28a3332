"""What people are asked to look at: reviews by role and day, expected losses, blind quality reviews."""
