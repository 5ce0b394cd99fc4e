"""What each input does to a contact: entries, timers, exits, publishes."""
