"""Scenarios: the tests that authors write beside their journeys, read, rehearsed, and told of."""
