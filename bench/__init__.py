"""What it costs: benchmarks and load; prints seconds and ratios, never gates."""
