"""Training of generative adversarial networks: the generators of `spaces/gan.py` on signals."""
