"""From what authors write to programs; every mistake at once, with path and fix."""
