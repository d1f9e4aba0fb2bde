"""Prompts as data: exploring files of them, scoring and submitting predictions, comparing methods, maps of meaning."""
