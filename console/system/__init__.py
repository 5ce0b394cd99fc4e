"""A whole system: started, played as a demo, and what its operator does with store and hosts."""
