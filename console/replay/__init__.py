"""Replay: what would have gone out, what did, and how drafts differ from that."""
