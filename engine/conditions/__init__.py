"""What can be asked of a contact, and how it is answered."""
