"""Each document in a process of its own: the door, the fork server, and what its children may do."""
