"""The laws of the simulated world: what happens with which probability, given what is hidden and seen."""
