"""A system elsewhere: how the command asks it, in words that its control API shares."""
