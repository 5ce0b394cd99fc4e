"""What people operate: the `anlass` command."""
