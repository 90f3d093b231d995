"""Learning curves in TensorBoard's files, one folder for each training."""

from pathlib import Path

import numpy as np

from nasbench_suite.adapters.needed import needed
from nasbench_suite.training.curves import SPLITS, LearningCurves

_KINDS = ("accuracy", "loss")


def write_events(curves: LearningCurves, row: int, folder: Path) -> Path:
    """Write the curves of one training for `tensorboard --logdir`; return the folder.

    Scalars are `accuracy/SPLIT`, `loss/SPLIT` and `seconds/train` by epoch, from 1; epochs that were not
    reached are left out, and so is what a split without inputs has not. Why a training ended early is a text
    `failure`.

    Parameters
    ----------
    curves
        Of trainings.
    row
        Which of them.
    folder
        A training has one of its own.

    Raises
    ------
    NasbenchSuiteError
        When TensorBoard is not installed.
    """
    needed("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    series = {
        f"{kind}/{split}": getattr(curves, f"{split}_{kind}")[row] for kind in _KINDS for split in SPLITS
    }
    series["seconds/train"] = curves.train_seconds[row]
    with SummaryWriter(str(folder)) as writer:
        for tag, values in series.items():
            for epoch, value in enumerate(values.tolist(), start=1):
                if not np.isnan(value):
                    writer.add_scalar(tag, value, epoch)
        if curves.failures[row]:
            writer.add_text("failure", curves.failures[row])
    return folder
