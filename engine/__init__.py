"""Decides. Pure: no I/O, clock, randomness, logging or Ray; time is an argument."""
