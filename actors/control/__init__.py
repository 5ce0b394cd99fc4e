"""Who holds which slot in a cluster, and how that is kept so."""
