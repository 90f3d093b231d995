"""Ways to change a file, and byte strings that mean something in a format."""

import random

OPCODES = tuple(
    bytes([code]) for code in b"()}]\x8f.012NRabdelosut\x81\x85\x86\x87\x88\x89\x90\x91\x92\x93\x94"
)
OPCODES += (
    b"\x85" * 2000,
    b"]" * 2000,
    b"(" * 2000,
    b"a" * 2000,
    b"h\x00" * 50,
    b"K\x01" * 1001,
    b"2\x86" * 90,
)
OPCODES += (
    b"j\xff\xff\xff\xff",
    b"r\xff\xff\xff\x7f",
    b"p99999999999\n",
    b"\x96\xff\xff\xff\xff\xff\0\0\0",
    b"\x95" + b"\xff" * 8,
)
OPCODES += (
    b"\x8a\xff",
    b"\x8b\xff\xff\xff\x7f",
    b"X\xff\xff\xff\xff",
    b"\x8e" + b"\xff" * 8,
    b"K\x00Q",
    b"P1\n",
    b"\x82\x01",
)
OPCODES += (
    b"cos\nsystem\n",
    b"ios\nsystem\n",
    b"cnumpy\ndtype\n",
    b"ccollections\nOrderedDict\n",
    b"c__builtin__\nset\n",
)
OPCODES += (
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"c_codecs\nencode\n",
)
OPCODES += (
    b"cnumpy\nndarray\n",
    b"cnumpy.core.numeric\n_frombuffer\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
)


def mutate(content: bytearray, draw: random.Random, seeds: list[bytes], words: tuple[bytes, ...]) -> None:
    """Change the content in one of nine ways."""
    at = draw.randrange(len(content) + 1)
    until = min(len(content), at + draw.choice((1, 2, 5, 20, 100)))
    way = draw.randrange(9)
    if way == 0 and at < len(content):
        content[at] ^= 1 << draw.randrange(8)
    elif way == 1 and at < len(content):
        content[at] = draw.randrange(256)
    elif way == 2:
        del content[at:]
    elif way == 3:
        del content[at:until]
    elif way == 4:
        content[at:at] = content[at:until] * draw.choice((1, 2, 50))
    elif way == 5:
        other = draw.choice(seeds)
        begin = draw.randrange(len(other))
        content[at:until] = other[begin : begin + draw.choice((1, 5, 20, 100, 5000))]
    elif way == 6:
        size = draw.choice((1, 2, 4, 8))
        number = draw.choice(
            (0, 1, 2**7, 2**8 - 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
        )
        content[at : at + size] = (number % 2 ** (8 * size)).to_bytes(size, draw.choice(("little", "big")))
    elif way == 7 and words:
        content[at : draw.choice((at, until))] = draw.choice(words)
    else:
        content[at:until] = draw.randbytes(until - at)
