"""Chaos: the whole real system killed, stopped, cut and filled by seed, must keep its word."""
