"""Exact and approximate searches of other libraries over the same vectors, one thread; `scripts/bench-search` runs it.

usage: bench_search_peer.py VECTORS PROBES DIMENSIONS FACES COSINE_MIN INDEX...

Prints a line for each index: time to build, median milliseconds of one probe and per probe of a batch of 16, and which
share of the faces at or above COSINE_MIN it returned (of the ten best where the index returns no more). Threshold
searches where the library has them, otherwise the 100 best.
"""

import sys
import time

import numpy as np

K = 100
PROBES = 48
BATCH = 16


def median_ms(calls, per=1):
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3 / per)
    return float(np.median(times))


def report(name, build_s, one, batch, found, truth):
    wanted = sum(len(t) for t in truth)
    hits = sum(len(set(f) & set(t)) for f, t in zip(found, truth))
    print(
        f"{name:28s} built in {build_s:8.1f} s   one {one:8.3f} ms   of {BATCH} {batch:8.3f} ms a probe   "
        f"recall {hits / max(wanted, 1):.4f}",
        flush=True,
    )


def measure(name, build, search_one, search_batch, probes, truth):
    start = time.perf_counter()
    index = build()
    built = time.perf_counter() - start
    # As many as our own search finds, up to K.
    found = [search_one(index, p)[: max(len(t), 10)] for p, t in zip(probes, truth)]
    one = median_ms([lambda p=p: search_one(index, p) for p in probes])
    batches = [probes[i : i + BATCH] for i in range(0, len(probes), BATCH)]
    batch = median_ms([lambda b=b: search_batch(index, b) for b in batches], BATCH)
    report(name, built, one, batch, found, truth)
    return index


def main():
    vectors, probes, dimensions, faces, cosine_min = sys.argv[1:6]
    dimensions, faces, cosine_min = int(dimensions), int(faces), float(cosine_min)
    gallery = np.fromfile(vectors, dtype=np.float32, count=faces * dimensions).reshape(faces, dimensions)
    probes = np.fromfile(probes, dtype=np.float32, count=PROBES * dimensions).reshape(PROBES, dimensions)
    scores = probes @ gallery.T
    truth = []
    for row in scores:
        best = np.argpartition(-row, K)[:K]
        best = best[np.argsort(-row[best])]
        truth.append([int(n) for n in best if row[n] >= cosine_min][:K] or [int(best[0])])
    del scores

    import faiss

    faiss.omp_set_num_threads(1)
    product = faiss.METRIC_INNER_PRODUCT

    def of_faiss(make):
        def build():
            index = make()
            if not index.is_trained:
                index.train(gallery[:: max(1, faces // 100_000)])
            index.add(gallery)
            return index

        return build

    one = lambda index, p: index.search(p[None], K)[1][0].tolist()
    many = lambda index, b: index.search(b, K)

    def hnsw(ef):
        def set_ef(index):
            index.hnsw.efSearch = ef
            return index

        return set_ef

    for name in sys.argv[6:]:
        if name == "faiss-flat":
            index = measure("FAISS Flat, 100 best", of_faiss(lambda: faiss.IndexFlatIP(dimensions)), one, many, probes, truth)
            threshold = lambda index, p: index.range_search(p[None], cosine_min)[2].tolist()
            thresholds = lambda index, b: index.range_search(b, cosine_min)
            start = time.perf_counter()
            ms = median_ms([lambda p=p: threshold(index, p) for p in probes])
            batch = median_ms([lambda i=i: thresholds(index, probes[i : i + BATCH]) for i in range(0, PROBES, BATCH)], BATCH)
            report("FAISS Flat, threshold", 0.0, ms, batch, [threshold(index, p) for p in probes], truth)
        elif name == "faiss-sq8":
            make = lambda: faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, product)
            measure("FAISS SQ8", of_faiss(make), one, many, probes, truth)
        elif name == "faiss-rabitq":
            def build():
                base = faiss.IndexRaBitQ(dimensions, product)
                refined = faiss.IndexRefineFlat(base)
                refined.k_factor = 20
                refined.train(gallery[:: max(1, faces // 100_000)])
                refined.add(gallery)
                return refined

            measure("FAISS RaBitQ, 20 x rescored", build, one, many, probes, truth)
        elif name == "faiss-hnsw":
            def build():
                index = faiss.IndexHNSWFlat(dimensions, 32, product)
                index.hnsw.efConstruction = 100
                index.add(gallery)
                return index

            index = measure("FAISS HNSW32, ef 100", lambda: hnsw(100)(build()), one, many, probes, truth)
            for ef in (200, 400, 800, 1600):
                measure(f"FAISS HNSW32, ef {ef}", lambda: hnsw(ef)(index), one, many, probes, truth)
        elif name == "hnswlib":
            import hnswlib

            def build():
                index = hnswlib.Index(space="ip", dim=dimensions)
                index.init_index(max_elements=faces, ef_construction=100, M=16)
                index.set_num_threads(1)
                index.add_items(gallery)
                index.set_ef(100)
                return index

            h_one = lambda index, p: index.knn_query(p, k=K, num_threads=1)[0][0].tolist()
            h_many = lambda index, b: index.knn_query(b, k=K, num_threads=1)
            index = measure("hnswlib M 16, ef 100", build, h_one, h_many, probes, truth)
            for ef in (200, 400, 800, 1600):
                def again(ef=ef):
                    index.set_ef(ef)
                    return index

                measure(f"hnswlib M 16, ef {ef}", again, h_one, h_many, probes, truth)
        elif name == "usearch":
            from usearch.index import MetricKind, search

            u_one = lambda g, p: search(g, p[None], K, MetricKind.IP, exact=True, threads=1).keys.reshape(-1).tolist()
            u_many = lambda g, b: search(g, b, K, MetricKind.IP, exact=True, threads=1)
            measure("USearch exact f32", lambda: gallery, u_one, u_many, probes, truth)
        else:
            sys.exit(f"no index `{name}`")


main()
