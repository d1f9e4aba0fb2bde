"""What everything else stands on: settings, the error tree, and images as tensors. Imports nothing of ours."""
