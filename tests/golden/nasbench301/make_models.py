"""Makes the model files beside it: small ensembles in the form of NAS-Bench-301's, by libraries of its day.

The official files are a download of several hundred megabytes. These have their folders, their pickles and
their features, and were written by the versions that NAS-Bench-301 used: Python 3.8 with xgboost 1.0.2,
lightgbm 2.3.1, ConfigSpace 0.4.12 and numpy 1.23. `expected.json` is what these libraries predict by the
steps of the official `XGBModel.query` and `LGBModelTime.query`. Targets are made up. Run it in an
environment with those versions: `python make_models.py`; and `python make_models.py small` for boosters of
two trees, of any release of XGBoost.
"""

import json
import pickle
import sys
from pathlib import Path

import ConfigSpace as CS  # noqa: N817
import ConfigSpace.hyperparameters as CSH  # noqa: N812
import lightgbm as lgb
import numpy as np
import xgboost as xgb

HERE = Path(__file__).parent
DARTS = "NetworkSelectorDatasetInfo:darts:"
OPERATIONS = ["max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3"]
OPERATIONS += ["sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
PAIRS = {node: [f"{a}_{b}" for a in range(node) for b in range(a + 1, node)] for node in (2, 3, 4, 5)}
FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
FIXED = {
    "CreateImageDataLoader:batch_size": 96,
    "ImageAugmentation:augment": True,
    "ImageAugmentation:cutout": True,
    "ImageAugmentation:cutout_holes": 1,
    "ImageAugmentation:cutout_length": 16,
    "ImageAugmentation:autoaugment": False,
    "ImageAugmentation:fastautoaugment": False,
    "LossModuleSelectorIndices:loss_module": "cross_entropy",
    DARTS + "auxiliary": True,
    DARTS + "drop_path_prob": 0.2,
    "NetworkSelectorDatasetInfo:network": "darts",
    "OptimizerSelector:optimizer": "sgd",
    "OptimizerSelector:sgd:learning_rate": 0.025,
    "OptimizerSelector:sgd:momentum": 0.9,
    "OptimizerSelector:sgd:weight_decay": 0.0003,
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": 100,
    "SimpleLearningrateSchedulerSelector:cosine_annealing:eta_min": 1e-8,
    "SimpleLearningrateSchedulerSelector:lr_scheduler": "cosine_annealing",
    "SimpleTrainNode:batch_loss_computation_technique": "mixup",
    "SimpleTrainNode:mixup:alpha": 0.2,
    DARTS + "init_channels": 32,
    DARTS + "layers": 8,
}


def configuration_space():
    """The space that `configspace.json` and the official `ConfigLoader` describe."""
    categorical = {
        "ImageAugmentation:augment": [True],
        "ImageAugmentation:autoaugment": [False, True],
        "ImageAugmentation:cutout": [True],
        "ImageAugmentation:fastautoaugment": [False, True],
        "LossModuleSelectorIndices:loss_module": ["cross_entropy"],
        DARTS + "auxiliary": [True],
        "NetworkSelectorDatasetInfo:network": ["darts"],
        "OptimizerSelector:optimizer": ["sgd"],
        "SimpleLearningrateSchedulerSelector:lr_scheduler": ["cosine_annealing"],
        "SimpleTrainNode:batch_loss_computation_technique": ["mixup"],
    }
    integers = {
        "CreateImageDataLoader:batch_size": (64, 128, True),
        "ImageAugmentation:cutout_holes": (1, 3, False),
        "ImageAugmentation:cutout_length": (1, 50, False),
        DARTS + "layers": (1, 10000, False),
        "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": (1, 10000, False),
        DARTS + "init_channels": (1, 10000, False),
    }
    floats = {
        "OptimizerSelector:sgd:momentum": (0.1, 0.99, False),
        "SimpleTrainNode:mixup:alpha": (0.01, 0.7, True),
        "SimpleLearningrateSchedulerSelector:cosine_annealing:eta_min": (0.0, 10000.0, False),
    }
    space = CS.ConfigurationSpace()
    for name, choices in categorical.items():
        space.add_hyperparameter(CSH.CategoricalHyperparameter(name, choices))
    for name, (lower, upper, log) in integers.items():
        space.add_hyperparameter(CSH.UniformIntegerHyperparameter(name, lower, upper, log=log))
    for name, (lower, upper, log) in floats.items():
        space.add_hyperparameter(CSH.UniformFloatHyperparameter(name, lower, upper, log=log))
    space.add_hyperparameter(CSH.Constant(DARTS + "drop_path_prob", 0.2))
    for name, mean, deviation in (("learning_rate", 0.025, 0.05), ("weight_decay", 0.0003, 0.0006)):
        space.add_hyperparameter(
            CSH.NormalFloatHyperparameter("OptimizerSelector:sgd:" + name, mean, deviation, log=True)
        )
    for cell in ("normal", "reduce"):
        for edge in range(14):
            space.add_hyperparameter(CSH.CategoricalHyperparameter(f"{DARTS}edge_{cell}_{edge}", OPERATIONS))
        for node in (3, 4, 5):
            name = f"{DARTS}inputs_node_{cell}_{node}"
            space.add_hyperparameter(CSH.CategoricalHyperparameter(name, PAIRS[node]))
            for source in range(node):
                child = space.get_hyperparameter(f"{DARTS}edge_{cell}_{FIRST_EDGE[node] + source}")
                with_it = [pair for pair in PAIRS[node] if str(source) in pair.split("_")]
                space.add_condition(CS.InCondition(child, space.get_hyperparameter(name), with_it))
    return space


def random_genotype(rng):
    """A genotype as two lists of (operation, predecessor)."""
    cells = []
    for _ in range(2):
        edges = []
        for node in (2, 3, 4, 5):
            for source in sorted(rng.choice(node, 2, replace=False).tolist()):
                edges += [(OPERATIONS[rng.integers(7)], source)]
        cells.append(edges)
    return cells


def written(genotype):
    normal, reduce = genotype
    return f"Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, reduce_concat=range(2, 6))"


def vector(space, genotype):
    """The array that the official code makes of a genotype, with -1 for what it has not."""
    values = dict(FIXED)
    for cell, edges in zip(("normal", "reduce"), genotype):  # noqa: B905  # Python 3.8
        for place, (operation, source) in enumerate(edges):
            node = 2 + place // 2
            values[f"{DARTS}edge_{cell}_{FIRST_EDGE[node] + source}"] = operation
        for node in (3, 4, 5):
            pair = sorted(source for _, source in edges[2 * node - 4 : 2 * node - 2])
            values[f"{DARTS}inputs_node_{cell}_{node}"] = "_".join(map(str, pair))
    array = CS.Configuration(space, values=values).get_array()
    return np.where(np.isnan(array), -1, array)


def store(folder, model, config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "surrogate_model.model").write_bytes(pickle.dumps(model, protocol=3))
    (folder / "model_config.json").write_text(json.dumps(config))
    (folder / "data_config.json").write_text(json.dumps({"seed": 6}))


def main():
    rng = np.random.default_rng(301)
    space = configuration_space()
    genotypes = [random_genotype(rng) for _ in range(1000)]
    features = np.array([vector(space, genotype) for genotype in genotypes])
    effect = rng.normal(size=features.shape[1])
    accuracy = (
        92 + 0.1 * features @ effect + 0.05 * features[:, 5] * features[:, 40] + rng.normal(0, 0.1, 1000)
    )
    runtime = 8000 + 500 * features @ np.abs(effect) + rng.normal(0, 50, 1000)
    train, held, asked = np.arange(800), np.arange(800, 960), np.arange(960, 1000)
    members = []
    for member in range(3):
        data = xgb.DMatrix(features[train], label=accuracy[train])
        model = xgb.train(
            {
                "objective": "reg:squarederror",
                "max_depth": 4,
                "eta": 0.2,
                "subsample": 0.7,
                "seed": 6 + member,
            },
            data,
            num_boost_round=40,
            evals=[(xgb.DMatrix(features[held], label=accuracy[held]), "val")],
            early_stopping_rounds=10,
            verbose_eval=False,
        )
        store(HERE / "xgb_v1.0" / f"xgb_{member}", model, {"model": "xgb", "param:bananas_enc": False})
        members.append(model.predict(xgb.DMatrix(features[asked])).astype(float).tolist())
    seconds = []
    for member in range(2):
        model = lgb.train(
            {
                "objective": "regression",
                "num_leaves": 15,
                "bagging_fraction": 0.7,
                "bagging_freq": 1,
                "learning_rate": 0.2,
                "seed": 6 + member,
                "verbose": -1,
            },
            lgb.Dataset(features[train], label=runtime[train]),
            num_boost_round=40,
            valid_sets=[lgb.Dataset(features[held], label=runtime[held])],
            early_stopping_rounds=5,
            verbose_eval=False,
        )
        store(HERE / "lgb_runtime_v1.0" / f"lgb_time_{member}", model, {"model": "lgb_time"})
        seconds.append(model.predict(features[asked]).tolist())
    found = {
        "hyperparameters": list(space._hyperparameters),
        "genotypes": [written(genotypes[place]) for place in asked],
        "features": features[asked].tolist(),
        "accuracy": members,
        "seconds": seconds,
    }
    (HERE / "expected.json").write_text(json.dumps(found))


def make_small():
    """One booster of two pruned trees per release of XGBoost, and one of LightGBM, with what they predict."""
    rng = np.random.default_rng(1)
    features = rng.integers(-1, 7, (60, 4)).astype(float)
    target = 90 + features[:, 3] + features[:, 2] * features[:, 1]
    settings = {"objective": "reg:squarederror", "max_depth": 3, "eta": 0.5, "gamma": 9.0, "base_score": 95}
    booster = xgb.train(settings, xgb.DMatrix(features, label=target), num_boost_round=2)
    found = {f"xgboost-{xgb.__version__}": (booster, booster.predict(xgb.DMatrix(features)))}
    settings = {"objective": "regression", "num_leaves": 4, "min_data_in_leaf": 2, "verbose": -1}
    booster = lgb.train(settings, lgb.Dataset(features, label=target), num_boost_round=3)
    booster.best_iteration = 2
    found[f"lightgbm-{lgb.__version__}"] = (booster, booster.predict(features))
    (HERE / "small").mkdir(exist_ok=True)
    for name, (booster, predicted) in found.items():
        (HERE / "small" / f"{name}.model").write_bytes(pickle.dumps(booster, protocol=3))
        pairs = {"features": features.tolist(), "predicted": predicted.astype(float).tolist()}
        (HERE / "small" / f"{name}.json").write_text(json.dumps(pairs))


if __name__ == "__main__":
    make_small() if "small" in sys.argv[1:] else main()
