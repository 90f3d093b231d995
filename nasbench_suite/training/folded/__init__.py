"""Many networks as one: the model axis folded into the tensors, with forward and backward passes written out.

Every activation of a group of `M` networks is one array `[M, channels, length, batch]`. With the batch
last, a convolution is one batched matrix product per tap over views shifted by whole batches, without
copies; sums over length and batch, which normalisation needs, run over contiguous memory; and an operation
touches only the models that have it, a range of the model axis. Buffers are allocated once and used again
by every step, and those that a backward pass does not need are shared by all stages, so that they stay in
the cache.

`parameters` holds the weights of a group in one flat array, `network` what all spaces share, `activations`
the buffers and `operations` what stands on an edge of a cell, `head` both ends, `topology` the networks of
NAS-Bench-201's cells, `macro` and `macro_layers` those of NAS-Bench-Macro's layers, all for signals.
"""
