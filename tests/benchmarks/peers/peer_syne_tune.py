"""Times syne-tune's `REA` (regularized evolution) in the two ways that its documentation offers.

`AskTellScheduler` is the thinnest: a loop of `ask` and `tell` around a plain dictionary of results. The
simulator (`Tuner`, `UserBlackboxBackend`, `SimulatorCallback`) is the one meant for tabulated benchmarks: it
looks up a `BlackboxTabular` and keeps simulated time. The look-up is that of the `BlackboxTabular`.
"""

import logging
import os
from contextlib import redirect_stdout
from io import StringIO
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from shared import (
    CHOICES,
    EVALUATIONS,
    LOOK_UPS,
    POPULATION,
    TOURNAMENT,
    VALUES,
    WARM_UP,
    Genes,
    Row,
    architectures,
    microseconds,
    report,
    table,
)
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository import UserBlackboxBackend
from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular
from syne_tune.config_space import choice, randint
from syne_tune.optimizer.baselines import REA
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

METRIC = "valid"
ELAPSED = "elapsed"
ONE_SECOND = 1.0
"""Simulated time of an evaluation: less than the 5 s between two looks of the tuner, so one look suffices."""
NEVER = 1e9
SPACE = {name: choice(list(VALUES)) for name in CHOICES}


def scheduler() -> REA:
    return REA(
        SPACE,
        metric=METRIC,
        do_minimize=False,
        population_size=POPULATION,
        sample_size=TOURNAMENT,
        random_seed=0,
    )


def ask_and_tell(results: dict[Genes, float], evaluations: int) -> None:
    loop = AskTellScheduler(scheduler())
    for _ in range(evaluations):
        trial = loop.ask()
        loop.tell(trial, {METRIC: results[tuple(trial.config[name] for name in CHOICES)]})
    assert len(loop.completed_experiments) == evaluations


def simulate(blackbox: BlackboxTabular, evaluations: int) -> None:
    # One worker, as regularized evolution is sequential. Saving the tuner, printing and interim result files
    # are switched off: they are work on a clock, not work per evaluation.
    tuner = Tuner(
        UserBlackboxBackend(blackbox, elapsed_time_attr=ELAPSED, seed=0),
        scheduler(),
        StoppingCriterion(max_num_trials_finished=evaluations),
        n_workers=1,
        sleep_time=0,
        results_update_interval=NEVER,
        print_update_interval=NEVER,
        callbacks=[SimulatorCallback()],
        save_tuner=False,
    )
    with redirect_stdout(StringIO()):
        tuner.run()
    assert tuner.tuning_status.num_trials_finished >= evaluations


def tabular_blackbox(results: dict[Genes, float]) -> BlackboxTabular:
    values = np.array([[valid, ONE_SECOND] for valid in results.values()])
    return BlackboxTabular(
        hyperparameters=pd.DataFrame(list(results), columns=list(CHOICES)),
        configuration_space=SPACE,
        fidelity_space={"epoch": randint(1, 1)},
        objectives_evaluations=values[:, None, None, :],
        objectives_names=[METRIC, ELAPSED],
    )


def time_ask_and_tell(results: dict[Genes, float]) -> float:
    ask_and_tell(results, WARM_UP)
    return microseconds(lambda: ask_and_tell(results, EVALUATIONS), EVALUATIONS)


def time_simulator(blackbox: BlackboxTabular) -> float:
    with TemporaryDirectory() as folder:
        os.environ["SYNETUNE_FOLDER"] = folder  # where the tuner writes what it always writes
        simulate(blackbox, WARM_UP)
        return microseconds(lambda: simulate(blackbox, EVALUATIONS), EVALUATIONS)


def time_look_ups(blackbox: BlackboxTabular) -> float:
    asked = [dict(zip(CHOICES, genes, strict=True)) for genes in architectures(LOOK_UPS)]

    def look_up() -> None:
        for configuration in asked:
            blackbox.objective_function(configuration, seed=0)

    look_up()
    return microseconds(look_up, LOOK_UPS)


def main() -> None:
    logging.getLogger().setLevel(logging.ERROR)
    results = table()
    blackbox = tabular_blackbox(results)
    rows = [
        Row("`AskTellScheduler`, results in a dictionary", time_ask_and_tell(results)),
        Row("simulator on a `BlackboxTabular`", time_simulator(blackbox), time_look_ups(blackbox)),
    ]
    report(__file__, ["syne-tune", "numpy", "pandas"], rows)


if __name__ == "__main__":
    main()
