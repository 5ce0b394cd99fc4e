"""Time as people reckon it: zones, clock times, windows, recurrence."""
