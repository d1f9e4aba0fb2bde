"""Side-by-side measurements: what this app does and what the plain way would be. `python -m benchmarks --help`."""
