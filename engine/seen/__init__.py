"""Which event names and attributes were seen, for authors."""
