"""What runs the day: its figures, where events go out to, who holds which key."""
