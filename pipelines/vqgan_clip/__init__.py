"""VQGAN+CLIP: pictures and films by optimising a VQGAN's latent until CLIP agrees with the words."""
