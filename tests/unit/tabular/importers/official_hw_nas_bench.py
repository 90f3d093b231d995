"""HW-NAS-Bench's pickle in small: a few cells, all operators of FBNet, no two values the same.

What a network of FBNet is made of is written out layer by layer here, where the official API computes it.
"""

import numpy as np

CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
DATASETS = sorted(CLASSES)
MEASURED = [
    "edgegpu_latency",
    "edgegpu_energy",
    "raspi4_latency",
    "edgetpu_latency",
    "pixel3_latency",
    "eyeriss_latency",
    "eyeriss_energy",
    "eyeriss_arithmetic_intensity",
    "fpga_latency",
    "fpga_energy",
]
CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
]
FBNET_MEASURED = [
    "edgegpu_latency",
    "edgegpu_energy",
    "raspi4_latency",
    "pixel3_latency",
    "eyeriss_latency",
    "eyeriss_energy",
    "fpga_latency",
    "fpga_energy",
]
# kernel, expansion, groups of operations 0 to 7; 8 is skip
BLOCKS = [(3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1)]
# input height and width, input channels, output channels, stride
LAYERS = {
    "cifar100": [
        (32, 16, 16, 1),
        *[(32, 16, 24, 1), (32, 24, 24, 1), (32, 24, 24, 1), (32, 24, 24, 1)],
        *[(32, 24, 32, 2), (16, 32, 32, 1), (16, 32, 32, 1), (16, 32, 32, 1)],
        *[(16, 32, 64, 2), (8, 64, 64, 1), (8, 64, 64, 1), (8, 64, 64, 1)],
        *[(8, 64, 112, 1), (8, 112, 112, 1), (8, 112, 112, 1), (8, 112, 112, 1)],
        *[(8, 112, 184, 2), (4, 184, 184, 1), (4, 184, 184, 1), (4, 184, 184, 1)],
        (4, 184, 352, 1),
    ],
    "ImageNet": [
        (112, 16, 16, 1),
        *[(112, 16, 24, 2), (56, 24, 24, 1), (56, 24, 24, 1), (56, 24, 24, 1)],
        *[(56, 24, 32, 2), (28, 32, 32, 1), (28, 32, 32, 1), (28, 32, 32, 1)],
        *[(28, 32, 64, 2), (14, 64, 64, 1), (14, 64, 64, 1), (14, 64, 64, 1)],
        *[(14, 64, 112, 1), (14, 112, 112, 1), (14, 112, 112, 1), (14, 112, 112, 1)],
        *[(14, 112, 184, 2), (7, 184, 184, 1), (7, 184, 184, 1), (7, 184, 184, 1)],
        (7, 184, 352, 1),
    ],
}
STEM = {
    "cifar100": "ConvNorm_H32_W32_Cin3_Cout16_kernel3_stride1_group1",
    "ImageNet": "ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1",
}
HEAD = {
    "cifar100": [
        "ConvNorm_H4_W4_Cin352_Cout1504_kernel1_stride1_group1",
        "AvgP_H4_W4_Cin1504_Cout1504_kernel4_stride1",
        "FC_Cin1504_Cout100",
    ],
    "ImageNet": [
        "ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1",
        "AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1",
        "FC_Cin1984_Cout1000",
    ],
}


def layer_operator(dataset, layer, operation):
    """The official name of what a layer does."""
    side, channels, width, stride = LAYERS[dataset][layer]
    if operation == 8:
        return f"Skip_H{side}_W{side}_Cin{channels}_Cout{width}_stride{stride}"
    kernel, expansion, groups = BLOCKS[operation]
    return (
        f"ConvBlock_H{side}_W{side}_Cin{channels}_Cout{width}_exp{expansion}_kernel{kernel}"
        f"_stride{stride}_group{groups}"
    )


def operators(dataset, network):
    """The official names of all operators of a network, 22 numbers, in the order of addition."""
    layers = [layer_operator(dataset, layer, operation) for layer, operation in enumerate(network)]
    return [STEM[dataset], *layers, *HEAD[dataset]]


def added_up(figures, dataset, network):
    """What the official API says of a network, given the figures of all operators."""
    total = 0.0
    for name in operators(dataset, network):
        total = total + float(figures[name])
    return total


def all_operators(dataset):
    """The names of all operators that networks of a data set may have, each once."""
    return sorted({name for choice in range(9) for name in operators(dataset, [choice] * 22)})


def fbnet(number=float, seed=0):
    """The official dictionary of operators, some of other networks among them."""
    rng = np.random.default_rng(seed)
    names = [*all_operators("cifar100"), *all_operators("ImageNet"), "Skip_H1_W1_Cin1_Cout1_stride1"]
    return {metric: {name: number(rng.uniform(0, 3)) for name in names} for metric in FBNET_MEASURED}


def official(cells=CELLS, number=float):
    """The official dictionary without its FBNet half."""

    def measured(dataset):
        start = 1000 * DATASETS.index(dataset)
        table = {
            name: [number(start + 10 * place + row + 0.25) for row in range(len(cells))]
            for place, name in enumerate(MEASURED)
        }
        config = [
            {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": cell, "num_classes": CLASSES[dataset]}
            for cell in cells
        ]
        return {"config": config, **table}

    return {"nasbench201": {dataset: measured(dataset) for dataset in CLASSES}}
