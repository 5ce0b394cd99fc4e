"""Journeys: checked, compared with what is in force, put in force, and noted who did it."""
