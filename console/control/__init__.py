"""The control API: all that the command can do with a running system, over HTTP, with keys."""
