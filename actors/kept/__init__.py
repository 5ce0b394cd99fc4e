"""What a store keeps, in files or in Redis, read without owning any of it."""
