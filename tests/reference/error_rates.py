"""Computes the 1:1 figures of a report again, from exported vectors and labels alone.

Usage: error_rates.py EXPORT_FOLDER REPORT.json. Prints what differs; ends with 1 when something does.
Own code from the definitions: float64 cosines by matrix product, counts by comparison, people's variance by a dense
matrix of pairs of people, intervals by SciPy's beta distribution.
"""

import csv
import json
import sys

import numpy as np
from scipy.stats import beta, norm, t

folder, report = sys.argv[1:]
found = json.load(open(report))
vectors = np.load(f"{folder}/vectors.npy").astype(np.float64)
with open(f"{folder}/labels.csv", newline="") as file:
    people = [row["person"] for row in csv.DictReader(file)]
names, person = np.unique(people, return_inverse=True)
pictures = np.bincount(person).astype(np.float64)
n = len(vectors)
wrong = []


def same(what, ours, theirs, digits=None):
    """Equal, or equal to so many significant digits."""
    if theirs is None or ours is None:
        ok = theirs is None and ours is None
    elif digits is None:
        ok = ours == theirs
    else:
        ok = abs(ours - theirs) <= 0.5 * 10.0**-digits * max(abs(ours), abs(theirs))
    if not ok:
        wrong.append(f"{what}: {ours} here, {theirs} in the report")


def rows():
    for start in range(0, n, 512):
        stop = min(start + 512, n)
        cosines = np.clip(vectors[start:stop] @ vectors.T, -1, 1)
        earlier = np.arange(n)[None, :] < np.arange(start, stop)[:, None]
        mated = person[start:stop, None] == person[None, :]
        yield start, cosines, earlier, mated


thresholds = [float(np.float32(at["Cosine"])) for at in found["Verification"]["AtThreshold"]]
# Sums in 32 bits, as ours are, and in 64 bits, as here, differ by less than this.
SLACK = 2e-7
totals = np.zeros(2, dtype=np.int64)
counts = np.zeros((len(thresholds), 2, 2), dtype=np.int64)
confused = [[] for _ in thresholds]
missed = [[] for _ in thresholds]
highest, mated_scores = [], []
for start, cosines, earlier, mated in rows():
    for kind, mask in enumerate((earlier & ~mated, earlier & mated)):
        totals[kind] += mask.sum()
        for place, threshold in enumerate(thresholds):
            counts[place, kind, 0] += (mask & (cosines >= threshold + SLACK)).sum()
            counts[place, kind, 1] += (mask & (cosines >= threshold - SLACK)).sum()
    for place, threshold in enumerate(thresholds):
        i, j = np.nonzero(earlier & ~mated & (cosines >= threshold))
        confused[place].append(np.stack([person[start + i], person[j]]))
        i, j = np.nonzero(earlier & mated & (cosines < threshold))
        missed[place].append(person[j])
    scores = cosines[earlier & ~mated]
    highest.append(scores[scores > 0.15])
    mated_scores.append(cosines[earlier & mated])
highest = np.sort(np.concatenate(highest))[::-1]
mated_scores = np.sort(np.concatenate(mated_scores))

verification = found["Verification"]
same("non-mated", int(totals[0]), verification["NonMated"])
same("mated", int(totals[1]), verification["Mated"])


def interval(p, independent):
    k = p * independent
    low = 0.0 if p == 0 else beta.ppf(0.025, k, independent - k + 1)
    high = 1.0 if p == 1 else beta.ppf(0.975, k + 1, independent - k)
    return low, high


def worth(errors, trials, variance, clusters):
    p = errors / trials
    effect = max(variance / (trials * p * (1 - p)), 1.0)
    few = min((norm.ppf(0.975) / t.ppf(0.975, clusters - 1)) ** 2, 1.0)
    return min(max(trials / effect * few, 1.0), trials)


def check(what, figure, errors, trials, variance, clusters, clusters_without):
    same(f"{what} errors", int(errors), figure["Errors"])
    same(f"{what} trials", int(trials), figure["Trials"])
    if trials == 0:
        return
    plain = errors in (0, trials)
    independent = min(trials, clusters_without) if plain else worth(errors, trials, variance, clusters)
    low, high = interval(errors / trials, independent)
    same(f"{what} independent trials", independent, figure["IndependentTrials"], 6)
    same(f"{what} low", low, figure["Low"], 5)
    same(f"{what} high", high, figure["High"], 5)


for place, at in enumerate(verification["AtThreshold"]):
    label = at["Label"]
    low, high = counts[place, 0]
    if not low <= at["Fmr"]["Errors"] <= high:
        wrong.append(f"{label} false matches: {low} to {high} here, {at['Fmr']['Errors']} in the report")
    pairs = np.concatenate(confused[place], axis=1)
    errors = pairs.shape[1]
    if errors == at["Fmr"]["Errors"]:
        matrix = np.zeros((len(names), len(names)))
        np.add.at(matrix, (pairs[0], pairs[1]), 1)
        matrix += matrix.T
        trials = totals[0]
        residual = matrix - errors / trials * np.outer(pictures, pictures)
        np.fill_diagonal(residual, 0)
        variance = (residual.sum(axis=1) ** 2).sum() - (residual**2).sum() / 2
        clusters = len(names)
        check(f"{label} FMR", at["Fmr"], errors, trials, variance, clusters, clusters * (clusters - 1) / 2)
    gone = np.bincount(np.concatenate(missed[place]), minlength=len(names)) if missed[place] else np.zeros(len(names))
    own = pictures * (pictures - 1) / 2
    if gone.sum() == at["Fnmr"]["Errors"] and own.sum() > 0:
        clusters = int((own > 0).sum())
        p = gone.sum() / own.sum()
        variance = ((gone - p * own) ** 2).sum() * clusters / (clusters - 1)
        check(f"{label} FNMR", at["Fnmr"], gone.sum(), own.sum(), variance, clusters, clusters)
    elif abs(gone.sum() - at["Fnmr"]["Errors"]) > 2:
        wrong.append(f"{label} false non-matches: {gone.sum()} here, {at['Fnmr']['Errors']} in the report")

for at in verification["AtFmr"]:
    allowed = int(np.floor(at["Fmr"] * totals[0]))
    if allowed < 10:
        same(f"cosine at FMR {at['Fmr']}", None, at["Cosine"])
        continue
    cosine = highest[allowed]
    if abs(cosine - at["Cosine"]) > 1e-6:
        wrong.append(f"cosine at FMR {at['Fmr']}: {cosine} here, {at['Cosine']} in the report")
    if totals[1]:
        reached = np.searchsorted(-mated_scores[::-1], -at["Cosine"], side="right")
        if abs(reached / totals[1] - at["Tmr"]["Value"]) > 1.5 / totals[1]:
            wrong.append(f"TMR at FMR {at['Fmr']}: {reached / totals[1]} here, {at['Tmr']['Value']} in the report")

print("\n".join(wrong) if wrong else f"{totals.sum()} comparisons agree")
sys.exit(bool(wrong))
