"""Computes the figures of a report again, 1:1, 1:N and by group, from exported vectors and labels alone.

Usage: error_rates.py EXPORT_FOLDER REPORT.json. Prints what differs; ends with 1 when something does.
Own code from the definitions: float64 cosines by matrix product, counts by comparison, people's variance by a dense
matrix of pairs of people, intervals by SciPy's beta distribution, SplitMix64 from its paper.
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
    labels = list(csv.DictReader(file))
people = [row["person"] for row in labels]
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


def of_pairs(pairs, pictures):
    """Errors, trials, variance and clusters of comparisons of different people."""
    matrix = np.zeros((len(pictures), len(pictures)))
    np.add.at(matrix, (pairs[0], pairs[1]), 1)
    matrix += matrix.T
    errors = pairs.shape[1]
    trials = (pictures.sum() ** 2 - (pictures**2).sum()) / 2
    residual = matrix - errors / trials * np.outer(pictures, pictures)
    np.fill_diagonal(residual, 0)
    variance = (residual.sum(axis=1) ** 2).sum() - (residual**2).sum() / 2
    clusters = int((pictures > 0).sum())
    return errors, trials, variance, clusters, clusters * (clusters - 1) / 2


def by_person(errors, trials):
    """The same of trials that are of one person each."""
    clusters = int((trials > 0).sum())
    p = errors.sum() / trials.sum()
    variance = ((errors - p * trials) ** 2).sum() * clusters / max(clusters - 1, 1)
    return errors.sum(), trials.sum(), variance, clusters, clusters


def missed_by_person(place):
    if not missed[place]:
        return np.zeros(len(names))
    return np.bincount(np.concatenate(missed[place]), minlength=len(names))


for place, at in enumerate(verification["AtThreshold"]):
    label = at["Label"]
    low, high = counts[place, 0]
    if not low <= at["Fmr"]["Errors"] <= high:
        wrong.append(f"{label} false matches: {low} to {high} here, {at['Fmr']['Errors']} in the report")
    pairs = np.concatenate(confused[place], axis=1)
    errors = pairs.shape[1]
    if errors == at["Fmr"]["Errors"]:
        check(f"{label} FMR", at["Fmr"], *of_pairs(pairs, pictures))
    gone = missed_by_person(place)
    own = pictures * (pictures - 1) / 2
    if gone.sum() == at["Fnmr"]["Errors"] and own.sum() > 0:
        check(f"{label} FNMR", at["Fnmr"], *by_person(gone, own))
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


class Draw:
    """SplitMix64 (Steele, Lea and Flood 2014), and what the report makes of it."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        word = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & word
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        return ((z ^ (z >> 31)) * bound) >> 64

    def shuffle(self, items):
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


def plan(seed, probes):
    """Probes of people who are not enrolled, of people who are, and who is enrolled, one picture each."""
    draw = Draw(seed)
    of = [list(np.flatnonzero(person == number)) for number in range(len(names))]
    order = list(range(len(names)))
    draw.shuffle(order)
    mated_left = min(probes, sum(len(own) > 1 for own in of) // 2)
    strangers, mated, enrolled, rest = [], [], [], []
    for number in order:
        own = of[number]
        draw.shuffle(own)
        if len(strangers) < min(probes, len(order) - 1):
            strangers.append(own[0])
        elif len(own) > 1 and mated_left:
            mated_left -= 1
            mated.append(own[0])
            enrolled.append(own[1])
        else:
            rest += own
    enrolled += rest
    draw.shuffle(enrolled)
    first = {}
    for sample in enrolled:
        first.setdefault(person[sample], sample)
    return np.array(strangers), np.array(mated), np.array(list(first.values()))


def searches(at_size, cosines, probes, enrolled):
    """Cosine of the best other, of the own picture (-2 for none), others before it, others above each threshold."""
    cosines, enrolled = cosines[:, :at_size], enrolled[:at_size]
    own = person[probes][:, None] == person[enrolled][None, :]
    others = np.where(own, -2, cosines)
    mine = np.where(own, cosines, -2).max(axis=1)
    before = (others >= mine[:, None]).sum(axis=1)
    return others.max(axis=1), mine, before, [(others >= t).sum(axis=1) for t in thresholds]


def counted(numbers, wrong_ones):
    """Errors and trials by person."""
    return (np.bincount(numbers, weights=wrong_ones, minlength=len(names)), np.bincount(numbers, minlength=len(names)))


def check_searches(what, figure, numbers, wrong_ones):
    errors, trials = counted(numbers, wrong_ones)
    if trials.max(initial=0) > 1:
        check(what, figure, *by_person(errors, trials))
    else:
        # One search for each person: independent, and as many.
        check(what, figure, errors.sum(), trials.sum(), 0, trials.sum() + 1e12, trials.sum())


settings = dict(found["Reproducibility"]["Settings"])
usable = int((pictures > 0).sum())
probes = min(int(settings["probes"]), usable // 3)
galleries = found["Identification"]
results = {gallery["Enrolled"]: [] for gallery in galleries}
for number in range(int(settings["draws"]) if galleries else 0):
    strangers, mated, enrolled = plan(int(settings["seed"]) + number, probes)
    everybody = np.concatenate([strangers, mated]).astype(int)
    cosines = vectors[everybody] @ vectors[enrolled].T
    for size in results:
        best, own, before, above = searches(size, cosines, everybody, enrolled)
        kept = (np.arange(len(everybody)) < len(strangers)) | (own > -2)
        results[size].append((person[everybody][kept], best[kept], own[kept], before[kept], [a[kept] for a in above]))

joined = {}
for gallery in galleries:
    parts = results[gallery["Enrolled"]]
    numbers, best, own, before = (np.concatenate([part[column] for part in parts]) for column in range(4))
    joined[gallery["Enrolled"]] = (numbers, best, own, before)
    stranger = own == -2
    same("non-mated searches", int(stranger.sum()), gallery["NonMatedSearches"])
    same("mated searches", int((~stranger).sum()), gallery["MatedSearches"])
    for place, at in enumerate(gallery["AtThreshold"]):
        what = f"{gallery['Enrolled']} enrolled, {at['Label']}"
        check_searches(f"{what} FPIR", at["Fpir"], numbers[stranger], best[stranger] >= thresholds[place])
        missed_ones = (own < thresholds[place]) | (before >= 1)
        check_searches(f"{what} FNIR", at["FnirRank1"], numbers[~stranger], missed_ones[~stranger])
        returned = np.concatenate([part[4][place] for part in parts])[stranger]
        same(f"{what} others returned", returned.mean(), at["Selectivity"]["Value"], 9)
        errors, trials = counted(numbers[stranger], returned)
        if errors.sum() > 0:
            _, _, variance, clusters, _ = by_person(errors, trials * gallery["Enrolled"])
            independent = worth(errors.sum(), trials.sum() * gallery["Enrolled"], variance, clusters)
            low, high = interval(errors.sum() / trials.sum() / gallery["Enrolled"], independent)
            same(f"{what} others returned, low", low * gallery["Enrolled"], at["Selectivity"]["Low"], 5)
            same(f"{what} others returned, high", high * gallery["Enrolled"], at["Selectivity"]["High"], 5)
    for rank, figure in gallery["Investigation"]:
        what = f"{gallery['Enrolled']} enrolled, FNIR at rank {rank}"
        check_searches(what, figure, numbers[~stranger], before[~stranger] >= rank)


def group_ratio(own, others, groups):
    """A rate over the geometric mean of others, by the distances of interval ends on the logarithmic scale."""
    ends = []
    for figure in [own, *others]:
        p, independent = figure["Errors"] / figure["Trials"], figure["IndependentTrials"]
        k, tail = p * independent, 0.025 / (groups - 1)
        high = 1.0 if p == 1 else beta.ppf(1 - tail, k + 1, independent - k)
        ends.append(np.log([p, beta.ppf(tail, k, independent - k + 1), high]))
    weights = np.array([1.0] + [-1.0 / len(others)] * len(others))
    ends = np.array(ends)
    middle = (weights * ends[:, 0]).sum()
    down = weights * (ends[:, 0] - np.where(weights > 0, ends[:, 1], ends[:, 2]))
    up = weights * (np.where(weights > 0, ends[:, 2], ends[:, 1]) - ends[:, 0])
    return np.exp([middle, middle - np.sqrt((down**2).sum()), middle + np.sqrt((up**2).sum())])


def same_ratio(what, ours, theirs):
    if (ours is None) != (theirs is None):
        wrong.append(f"{what}: {ours} here, {theirs} in the report")
    elif ours is not None:
        for value, name in zip(ours, ("Value", "Low", "High")):
            same(f"{what} {name}", value, theirs[name], 5)


for table in found["Groups"]:
    place = next(p for p, at in enumerate(verification["AtThreshold"]) if at["Label"] == table["Label"])
    group_of = np.empty(len(names), dtype=object)
    group_of[person] = [row[table["Column"]] for row in labels]
    for row in table["Groups"]:
        what = f"{table['Measure']} of {row['Group']}"
        inside = group_of == row["Group"]
        same(f"people of {what}", int((inside & (pictures > 0)).sum()), row["People"])
        if table["Measure"] == "FMR within the group":
            pairs = np.concatenate(confused[place], axis=1)
            check(what, row["Rate"], *of_pairs(pairs[:, inside[pairs].all(axis=0)], np.where(inside, pictures, 0)))
        elif table["Measure"] == "FNMR":
            own = np.where(inside, pictures * (pictures - 1) / 2, 0)
            check(what, row["Rate"], *by_person(np.where(inside, missed_by_person(place), 0), own))
        else:
            numbers, best, own, before = joined[galleries[-1]["Enrolled"]]
            positive = table["Measure"].startswith("FPIR")
            of_group = inside[numbers] & ((own == -2) == positive)
            wrong_ones = best >= thresholds[place] if positive else (own < thresholds[place]) | (before >= 1)
            check_searches(what, row["Rate"], numbers[of_group], wrong_ones[of_group])
    overall = sum(r["Rate"]["Errors"] for r in table["Groups"]) / sum(r["Rate"]["Trials"] for r in table["Groups"])
    enough = [r for r in table["Groups"] if r["People"] >= 30 and overall * r["Rate"]["Trials"] >= 3]
    rated = sorted((r for r in enough if r["Rate"]["Errors"] >= 3), key=lambda r: r["Rate"]["Value"])
    for row in table["Groups"]:
        what = f"{table['Measure']} of {row['Group']}, ratio to the best"
        if row not in rated:
            same_ratio(what, None, row["RatioToBest"])
        elif row is rated[0]:
            same_ratio(what, (1, 1, 1), row["RatioToBest"])
        else:
            same_ratio(what, group_ratio(row["Rate"], [rated[0]["Rate"]], len(rated)), row["RatioToBest"])
    largest = None
    if len(rated) > 1:
        # The largest is in the mean too: of k groups its own logarithm counts k - 1 of k times.
        share = (len(rated) - 1) / len(rated)
        others = [r["Rate"] for r in rated[:-1]]
        largest = group_ratio(rated[-1]["Rate"], others, len(rated)) ** share
    same_ratio(f"{table['Measure']} by {table['Column']}, largest over mean", largest, table["MaxOverGeometricMean"])

searched = sum(len(numbers) for numbers, *_ in joined.values())
print("\n".join(wrong) if wrong else f"{totals.sum()} comparisons and {searched} searches agree")
sys.exit(bool(wrong))
