"""What a visit does at each kind of node, and the way from one to the next."""
