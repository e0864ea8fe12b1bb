"""Widens a file of real embeddings to many: `widen_embeddings.py REAL.f32 DIMENSIONS FACES OUT.f32 PROBES.f32 [TIMES]`.

What is added are strangers: unit vectors drawn from the normal distribution that has the mean and the covariance of
the real ones. That keeps what the speed of a search hangs on: the directions that embeddings use, how the energy falls
off over them, and the distribution of cosines between different people. The last line printed shows how well: shares
of pairs at or above some cosines, among the real ones (of different pictures) and against the added ones. Two or three
hundred real faces are taken out as probes; the other real ones lie at random places among the added.

With TIMES, vectors of TIMES x DIMENSIONS components, none of them real: each direction of the real ones becomes TIMES
directions with that part of its energy, so that the energy falls off as slowly over more of them. Half of the probes
have one face in the gallery, at a cosine of about 0.7. Prints, last, the cosine that one in 10,000 pairs of different
people reach.
"""

import sys

import numpy as np

PROBES = 300
PIECE = 100_000
SEED = 7
MATED_NOISE = 1.0  # of a vector's own length


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


real_file, dimensions, faces, out, probes_out = sys.argv[1:6]
dimensions, faces = int(dimensions), int(faces)
times = int(sys.argv[6]) if len(sys.argv) > 6 else 1
real = np.fromfile(real_file, dtype=np.float32).reshape(-1, dimensions)
random = np.random.default_rng(SEED)
values, directions = np.linalg.eigh(np.cov(real.T.astype(np.float64)))
mean = real.mean(0).astype(np.float64)
if times > 1:
    values = np.repeat(values, times) / times
    directions, _ = np.linalg.qr(random.standard_normal((times * dimensions, times * dimensions)))
    mean = directions[:, 0] * np.linalg.norm(mean)
shape = (directions * np.sqrt(np.clip(values, 0, None))).T


def strangers(count):
    return unit(mean + random.standard_normal((count, len(shape))) @ shape)


if times > 1:
    probes = strangers(PROBES)
    mated = probes[::2]
    noise = random.standard_normal(mated.shape) @ shape
    enrolled = unit(mated + MATED_NOISE * unit(noise))
else:
    order = random.permutation(len(real))
    probes, enrolled = real[order[:PROBES]], real[order[PROBES:]][:faces]
places = np.zeros(faces, dtype=bool)
places[random.permutation(faces)[: len(enrolled)]] = True
taken = 0
with open(out, "wb") as file:
    for start in range(0, faces, PIECE):
        piece = strangers(min(PIECE, faces - start))
        here = places[start : start + PIECE]
        piece[here] = enrolled[taken : taken + here.sum()]
        taken += here.sum()
        file.write(piece.tobytes())
probes.tofile(probes_out)
others = (probes @ piece[~here].T).ravel() if (~here).any() else np.zeros(0)
if times > 1:
    print(f"{np.quantile(others, 1 - 1e-4):.4f}")
else:
    own = (probes @ enrolled.T).ravel()
    for cosine in (0.2, 0.3, 0.4, 0.45):
        print(f"cosine {cosine}: {np.mean(own >= cosine):.2e} of real pairs (mated ones too), {np.mean(others >= cosine):.2e} with added ones")
