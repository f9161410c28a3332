"""What was learned: fit, predict, save, load; one model a file."""
