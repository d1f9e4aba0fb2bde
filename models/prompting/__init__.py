"""Many prompts that begin alike, read by a ranker with as little work as an exact answer allows."""
