"""Where people decide: the inbox, the story of a return, what a document says."""
