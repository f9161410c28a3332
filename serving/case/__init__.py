"""One case: what is known, what the models and policies make of it, and who must look at it again."""
