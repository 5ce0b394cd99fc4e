"""How processes reach each other: the link, addresses, certificates."""
