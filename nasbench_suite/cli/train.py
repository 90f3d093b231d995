"""`nasbench-suite train`: architectures trained for real, one after the other."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.storage import write_whole

if TYPE_CHECKING:  # torch loads when something is trained, not for --help
    from torch import nn

    from nasbench_suite.training.curves import LearningCurves
    from nasbench_suite.training.setting import Setting

_CURVES = ("train_accuracy", "valid_accuracy", "test_accuracy", "train_loss", "valid_loss", "test_loss")
_NOTHING_KEPT = "nothing is kept; give --checkpoint DIR to be able to continue."
_COLUMNS = ("epoch", *_CURVES, "train_seconds", "params_millions", "flops_millions")


def train(
    name: str = typer.Argument(metavar="TASK|SPACE", help="A task that can be trained, or a search space."),
    architectures: list[str] = typer.Argument(
        metavar="ARCH...", help="In the published string form, or a number where these are official."
    ),
    recipe: str = typer.Option(
        "", help="How to train; the task's own recipe without it, `short` for a space."
    ),
    data: str = typer.Option("", help="Data set, or folder:PATH; the task's own without it."),
    device: str = typer.Option("cpu", help="`cpu` or `cuda`."),
    seed: int = typer.Option(0, min=0, help="Of initial weights and batches."),
    epochs: int = typer.Option(
        0, min=0, help="Length of the schedule; the recipe's without it.", show_default=False
    ),
    precision: str = typer.Option(
        "float32", help="`float32`, or `bfloat16` in products: faster on GPUs and on CPUs that have it."
    ),
    judged_every: int = typer.Option(
        1, min=1, help="Epochs from one evaluation to the next; the last is always evaluated."
    ),
    compiled: bool = typer.Option(
        False, "--compile", help="Compile the network for a CPU, which pays where it trains for long."
    ),
    curves: bool = typer.Option(False, "--curves", help="Print every epoch."),
    checkpoint: Path | None = typer.Option(
        None, metavar="DIR", help="Keep states here, and go on from them.", show_default=False
    ),
    onnx: Path | None = typer.Option(
        None, metavar="DIR", help="Write every trained network here as an ONNX file.", show_default=False
    ),
    tensorboard: Path | None = typer.Option(
        None, metavar="DIR", help="Write the curves here for TensorBoard.", show_default=False
    ),
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    r"""Train architectures and print what they reach: accuracies, losses, seconds, parameters, multiply-adds.

    Isomorphic architectures are trained as the one that stands for them in tables. Each is trained alone; in
    the tables of this project small networks train together, which differs in rounding, and so by a little in
    the end.

    Examples
    --------
        nasbench-suite train nats_topology/mnist1d \
          '|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|'

        nasbench-suite train macro 02012100 11111111 --data digits --recipe nasbench-macro --epochs 5 --curves

        nasbench-suite train nats_topology/cifar10-valid 11472 --device cuda --checkpoint states

        nasbench-suite train nats_topology/cifar10 284 --epochs 200 --device cuda --precision bfloat16 \
          --judged-every 10

        nasbench-suite train nats_topology/cifar10 284 --precision bfloat16 --compile --checkpoint states

        nasbench-suite train nats_topology/mnist1d 1462 --onnx networks --tensorboard logs
    """
    from nasbench_suite.training.checkpoint import runs_on
    from nasbench_suite.training.event_log import write_events
    from nasbench_suite.training.setting import setting_of
    from nasbench_suite.training.trainer import Precision, Trainer

    genes = _parse(name, architectures)
    how = Trainer(precision=cast(Precision, precision), judged_every=judged_every, compiled=compiled)
    setting = setting_of(name, recipe=recipe, data=data, epochs=epochs, device=device)
    kept = f"states are in {checkpoint}; give the same command to continue." if checkpoint else _NOTHING_KEPT
    results, every = [], setting.recipe.epochs
    with interruptible(kept), progress(f"training for {name}", quiet) as advance:
        for number, (text, row) in enumerate(zip(architectures, genes, strict=True)):
            before = number * every
            state = checkpoint / setting.file(row, seed) if checkpoint else None
            ran_on = runs_on(device, state, compiled=compiled)
            trainer = replace(
                how,
                checkpoint=state,
                progress=lambda done, _, before=before: advance(before + done, len(genes) * every),  # type: ignore[misc]
            )
            network = setting.network(row, seed)
            found = trainer.train(network, setting.data, setting.recipe, seed=seed)
            how_it_was = {"seed": seed, "precision": precision, "ran_on": ran_on}
            results.append(_facts(text, found, setting, row) | how_it_was)
            stem = Path(setting.file(row, seed)).stem
            if onnx is not None:
                write_whole(onnx / f"{stem}.onnx", _as_onnx(network, setting))
            if tensorboard is not None:
                write_events(found, 0, tensorboard / stem)
    _print(results, setting, curves, as_json)


def _parse(name: str, architectures: list[str]) -> Genes:
    """Return the canonical genes, `[n, n_genes]`; a wrong text is said before any data are loaded."""
    from nasbench_suite.training.setting import space_of

    space = get_space(space_of(name))
    return space.canonical(np.stack([space.parse(text) for text in architectures]))


def _as_onnx(network: "nn.Module", setting: "Setting") -> bytes:
    """Return a trained network as an ONNX file for one input at a time."""
    from nasbench_suite.hardware.onnx_session import checked_onnx

    inputs = setting.data.batch(setting.data.test[:1])[0].cpu()
    return checked_onnx(network.eval().cpu(), inputs)


def _facts(text: str, curves: "LearningCurves", setting: "Setting", row: Genes) -> dict[str, Any]:
    """Return what a training reached, in the epoch that its recipe reports, and its curves."""
    counts = setting.counts(row)
    at = setting.reported_epoch(curves)
    facts: dict[str, Any] = {"architecture": text, "epoch": at + 1}
    facts |= {name: float(getattr(curves, name)[0, at]) for name in _CURVES}
    facts |= {
        "train_seconds": float(np.nansum(curves.train_seconds)),
        "params_millions": counts.parameters / 1e6,
        "flops_millions": counts.multiply_adds / 1e6,
        "failure": curves.failures[0],
        "curves": {name: getattr(curves, name)[0].tolist() for name in (*_CURVES, "train_seconds")},
    }
    return facts


def _print(results: list[dict[str, Any]], setting: "Setting", with_curves: bool, as_json: bool) -> None:
    if as_json:
        shown = results if with_curves else [{k: v for k, v in r.items() if k != "curves"} for r in results]
        print_json(
            {
                "space": setting.space,
                "data": setting.data.provenance,
                "recipe": setting.recipe.name,
                "epochs": setting.recipe.epochs,
                "trainings": _without_nan(shown),
            }
        )
        return
    rows = [[r["architecture"], *(_shown(r[column]) for column in _COLUMNS), r["failure"]] for r in results]
    print_table(["architecture", *_COLUMNS, ""], rows)
    for result in results if with_curves else []:
        curves = result["curves"]
        lines = [
            [str(epoch), *map(_shown, values)]
            for epoch, values in enumerate(zip(*curves.values(), strict=True), start=1)
        ]
        print()
        print_table(["epoch", *curves], lines, title=result["architecture"])


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _without_nan(value: Any) -> Any:
    """Replace what is no number by None, which JSON can say."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
