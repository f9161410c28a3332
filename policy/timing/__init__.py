"""What time does: the business calendar, and the stages that may take only so long."""
