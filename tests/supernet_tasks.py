"""Tasks so small that a supernet learns them in a second."""

import torch

from nasbench_suite.strategies import one_shot
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.setting import Setting

FEW = 4


def rank_few():
    """Let supernets of this process rank few architectures when their search is over."""
    one_shot.RANKED = FEW


def tiny_data(*, train=64, valid=64, test=16, length=16, classes=2, seed=0):
    """Return signals of noise in which a rising or a falling edge stands somewhere, labelled by which.

    The mean of every signal is the same, and so is what a single place shows: to tell the classes takes
    neighbours, so a convolution of three taps.
    """
    n = train + valid + test
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    inputs = 0.1 * torch.randn(n, 1, length, generator=generator)
    places = torch.randint(1, length - 2, (n,), generator=generator)
    sign = 2.0 * labels - 1
    rows = torch.arange(n)
    inputs[rows, 0, places] -= 2 * sign
    inputs[rows, 0, places + 1] += 2 * sign
    order = torch.arange(n)
    return TrainingData(
        name="edges",
        inputs=inputs,
        labels=labels,
        train=order[:train],
        valid=order[train : train + valid],
        test=order[train + valid :],
        classes=classes,
        mean=(0.0,),
        std=(1.0,),
        augmentation=None,
        provenance="made up",
    )


def tiny_setting(space="nats_topology", *, width=4, **data):
    """Return how networks of a space are trained on `tiny_data`."""
    made = tiny_data(**data)
    skeleton = Skeleton(inputs=1, classes=made.classes, dims=1, width=width, depth=1, style="light")
    return Setting(space, made, skeleton, get_recipe("short"))
