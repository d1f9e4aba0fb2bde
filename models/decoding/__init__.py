"""Words one after the other from any network that continues a sequence: the decoder that remembers what it computed,
the searches that choose words, and the way from tokens to captions.

The searches know the network only as a `Continuation` (see `search.py`), so all captioners share them.
"""
