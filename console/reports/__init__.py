"""Reports: how a system is, what went through it, and whether its store is whole."""
