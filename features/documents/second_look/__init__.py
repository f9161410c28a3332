"""A second look at what the first left unread: crops read again, and numbers written by hand."""
