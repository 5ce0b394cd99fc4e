"""Lives: owns state, durability and processes. The only folder that knows Ray."""
