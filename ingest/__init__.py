"""Listens: bytes of senders become events and reach the shard that owns the contact."""
