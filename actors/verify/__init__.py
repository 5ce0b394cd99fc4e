"""Reading a whole store, and folding it anew, to see that all is there."""
