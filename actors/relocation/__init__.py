"""Moving a store from files to Redis, and back."""
