"""Widens a file of real embeddings to many: `widen_embeddings.py REAL.f32 DIMENSIONS FACES OUT.f32 PROBES.f32`.

What is added are strangers: unit vectors drawn from the normal distribution that has the mean and the covariance of
the real ones. That keeps what the speed of a search hangs on: the directions that embeddings use, how the energy falls
off over them, and the distribution of cosines between different people. The last line printed shows how well: shares
of pairs at or above some cosines, among the real ones (of different pictures) and against the added ones. Two or three
hundred real faces are taken out as probes; the other real ones lie at random places among the added.
"""

import sys

import numpy as np

PROBES = 300
PIECE = 100_000
SEED = 7

real_file, dimensions, faces, out, probes_out = sys.argv[1:]
dimensions, faces = int(dimensions), int(faces)
real = np.fromfile(real_file, dtype=np.float32).reshape(-1, dimensions)
random = np.random.default_rng(SEED)
order = random.permutation(len(real))
probes, enrolled = real[order[:PROBES]], real[order[PROBES:]][:faces]
values, directions = np.linalg.eigh(np.cov(real.T.astype(np.float64)))
shape = (directions * np.sqrt(np.clip(values, 0, None))).T
places = np.zeros(faces, dtype=bool)
places[random.permutation(faces)[: len(enrolled)]] = True
taken = 0
with open(out, "wb") as file:
    for start in range(0, faces, PIECE):
        piece = real.mean(0) + random.standard_normal((min(PIECE, faces - start), dimensions)) @ shape
        piece = (piece / np.linalg.norm(piece, axis=1, keepdims=True)).astype(np.float32)
        here = places[start : start + PIECE]
        piece[here] = enrolled[taken : taken + here.sum()]
        taken += here.sum()
        file.write(piece.tobytes())
probes.tofile(probes_out)
others = (probes @ piece[~here].T).ravel() if (~here).any() else np.zeros(0)
own = (probes @ enrolled.T).ravel()
for cosine in (0.2, 0.3, 0.4, 0.45):
    print(f"cosine {cosine}: {np.mean(own >= cosine):.2e} of real pairs (mated ones too), {np.mean(others >= cosine):.2e} with added ones")
