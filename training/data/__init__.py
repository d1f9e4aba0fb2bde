"""Builders of training sets."""
