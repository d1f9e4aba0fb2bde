"""Turns checkpoints of the past into folders that the app reads: `python -m models.convert KIND …`, once each.

Pickles are read by a restricted unpickler that never runs code (`unpickling.py`); what comes out is safetensors.
"""
