"""Pictures to sentences: several captioners side by side, the best sentence picked, tables to train with."""
