"""How good captions are, measured against what people wrote; `python -m pipelines.evaluation` prints a table."""
