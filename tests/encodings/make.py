"""Makes the files beside it: encodings of nobody, as people keep those of face_recognition. Needs numpy."""
import json
import pickle
from pathlib import Path

import numpy

HERE = Path(__file__).resolve().parent
generator = numpy.random.default_rng(1)
vectors = generator.normal(size=(3, 128))
vectors *= 1.4 / numpy.linalg.norm(vectors, axis=1, keepdims=True)
names = ["Ada", "Bob", "Ada"]

for protocol in (0, 2, 4, 5):
    data = {"encodings": list(vectors), "names": names}
    (HERE / f"protocol_{protocol}.pickle").write_bytes(pickle.dumps(data, protocol=protocol))
(HERE / "by_name.pkl").write_bytes(pickle.dumps({"Ada": [vectors[0], vectors[2]], "Bob": vectors[1].tolist()}))
(HERE / "pair.pickle").write_bytes(pickle.dumps((list(vectors.astype(numpy.float32)), names)))
numpy.save(HERE / "matrix.npy", vectors)
(HERE / "faces.csv").write_text("".join(f"{n}," + ",".join(map(repr, v.tolist())) + "\n" for n, v in zip(names, vectors)))
(HERE / "faces.json").write_text(json.dumps([{"name": n, "encoding": v.tolist()} for n, v in zip(names, vectors)]))


class Evil:
    def __reduce__(self):
        return (eval, ("open('evil', 'w')",))


(HERE / "evil.pickle").write_bytes(pickle.dumps({"encodings": list(vectors), "names": Evil()}))
