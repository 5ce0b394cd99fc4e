"""What is held of a contact, and what its key means."""
