"""The laws turned round: what can be said, exactly, by one who knows them and sees what a service sees."""
