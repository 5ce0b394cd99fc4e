"""One contact: what is known of it, what happened to it and why, erased or brought in."""
