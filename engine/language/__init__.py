"""What authors write: journeys, their nodes, conditions and rules, as data."""
