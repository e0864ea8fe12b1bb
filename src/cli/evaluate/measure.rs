//! From vectors and labels to findings.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::cache::{Hash, MEASURES, Seen};
use super::data_set::{DataSet, Labelled};
use super::embed::Sample;
use super::findings::{
    AtFmr, AtThreshold, CalibrationPart, DataSetPart, Discarded, Estimate, Gallery, GroupRow, GroupTable, Identified,
    ListedPairs, PredictionCheck, QualityCurve, SuspectPair, Suspects, Verification,
};
use super::lfw::Folds;
use super::prediction::Checks;
use super::words;
use crate::gallery::all_pairs::{Compared, Pair, Samples, compare_all};
use crate::gallery::calibrate::{self, Fit, Material, confusions};
use crate::gallery::error_rates::groups::{self, Group, Standing};
use crate::gallery::error_rates::{
    Comparison, Draw, Rate, by_person_rate, fold_accuracies, non_mated_comparisons, non_mated_rate, right_at,
};
use crate::gallery::expectation::{Fpir, expect};
use crate::gallery::identification::{Enrolled, Found, Plan, Wanted, fnir, fpir, search_all, selectivity};
use crate::gallery::similarity::Calibration;

/// FMR levels at which TMR is told, and fewest false matches there.
const FMR_LEVELS: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const EVENTS_MIN: u64 = 10;
/// Similarity percents of the report.
const PERCENTS: [f32; 4] = [80.0, 90.0, 95.0, 99.0];
/// Galleries of the sweep, beside the largest.
const SIZES: [usize; 8] = [100, 1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000];
/// Pairs kept one by one: 1 % of the comparisons of 13,000 pictures, and 12 MB.
const KEPT_MIN: usize = 1 << 20;
const KEPT_MAX: usize = 1 << 23;
const RANKS: [u32; 3] = [1, 5, 50];
const HISTOGRAM_PARTS: usize = 200;
pub(super) const LISTED_MAX: usize = 100;

/// A threshold and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    pub(super) label: String,
    pub(super) percent: Option<f32>,
    pub(super) cosine: f32,
}

/// Settings of the 1:N part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Searching {
    pub(super) seed: u64,
    pub(super) draws: u64,
    pub(super) probes: usize,
}

/// Usable pictures as vectors.
pub(in crate::cli) struct Measured<'a> {
    pub(super) set: &'a DataSet,
    pub(super) calibration: Arc<Calibration>,
    /// Places in the set of the usable pictures.
    usable: Vec<usize>,
    vectors: Vec<f32>,
    people: Vec<u32>,
    hashes: Vec<Hash>,
    measures: Vec<[f32; MEASURES.len()]>,
    /// Usable pictures of each person.
    pictures: Vec<u32>,
    dimensions: usize,
    threads: usize,
    same_picture: Vec<(usize, usize)>,
    /// Places whose picture one person has twice: they count once.
    copies: usize,
}

impl<'a> Measured<'a> {
    pub(in crate::cli) fn new(
        set: &'a DataSet,
        seen: &[Sample],
        dimensions: usize,
        calibration: Arc<Calibration>,
        threads: usize,
    ) -> Self {
        let mut first: HashMap<Hash, Vec<usize>> = HashMap::new();
        let mut measured = Self {
            set,
            calibration,
            usable: Vec::new(),
            vectors: Vec::new(),
            people: Vec::new(),
            hashes: Vec::new(),
            measures: Vec::new(),
            pictures: vec![0; set.people.len()],
            dimensions,
            threads,
            same_picture: Vec::new(),
            copies: 0,
        };
        for (place, (picture, sample)) in set.pictures.iter().zip(seen).enumerate() {
            let (Some(hash), Ok(Seen::Face { vector, measures })) = (sample.hash, &sample.seen) else { continue };
            let same = first.entry(hash).or_default();
            if same.iter().any(|&other| set.pictures[other].person == picture.person) {
                measured.copies += 1;
                continue;
            }
            measured.same_picture.extend(same.iter().map(|&other| (other, place)));
            same.push(place);
            measured.usable.push(place);
            measured.vectors.extend_from_slice(vector);
            measured.people.push(picture.person);
            measured.hashes.push(hash);
            measured.measures.push(*measures);
            measured.pictures[picture.person as usize] += 1;
        }
        measured
    }

    /// The same pictures with people who are suspected to be one taken for one.
    pub(super) fn merged(&self, suspected: &[(u32, u32)]) -> Self {
        let mut as_one: Vec<u32> = (0..).take(self.pictures.len()).collect();
        // Pairs are sorted, the smaller number first: following twice finds the first of a chain of three.
        for &(first, second) in suspected {
            as_one[second as usize] = as_one[first as usize];
        }
        let people: Vec<u32> = self.people.iter().map(|&person| as_one[person as usize]).collect();
        let mut pictures = vec![0; self.pictures.len()];
        people.iter().for_each(|&person| pictures[person as usize] += 1);
        Self {
            set: self.set,
            calibration: Arc::clone(&self.calibration),
            usable: self.usable.clone(),
            vectors: self.vectors.clone(),
            people,
            hashes: self.hashes.clone(),
            measures: self.measures.clone(),
            pictures,
            dimensions: self.dimensions,
            threads: self.threads,
            same_picture: Vec::new(),
            copies: 0,
        }
    }

    pub(super) fn samples(&self) -> Samples<'_> {
        Samples { dimensions: self.dimensions, vectors: &self.vectors, people: &self.people }
    }

    pub(in crate::cli) fn pictures(&self) -> &[u32] {
        &self.pictures
    }

    pub(in crate::cli) fn people(&self) -> &[u32] {
        &self.people
    }

    /// SHA-256 of each usable picture's bytes.
    pub(super) fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    pub(super) fn picture(&self, sample: u32) -> &Labelled {
        &self.set.pictures[self.usable[sample as usize]]
    }

    pub(super) fn name(&self, sample: u32) -> String {
        self.picture(sample).name.clone()
    }

    /// People with a usable picture, and with two.
    pub(super) fn counts(&self) -> (u64, u64) {
        let with = |least: u32| self.pictures.iter().filter(|&&count| count >= least).count() as u64;
        (with(1), with(2))
    }

    pub(super) fn compare(&self, progress: &(dyn Fn(u64) + Sync)) -> Compared {
        let all = self.people.len() * self.people.len() / 2;
        compare_all(self.samples(), (all / 80).clamp(KEPT_MIN, KEPT_MAX), self.threads, progress)
    }

    pub(super) fn data_set(&self, seen: &[Sample]) -> DataSetPart {
        let names = |wanted: fn(&Sample) -> Option<String>| -> Vec<String> {
            let named = self.set.pictures.iter().zip(seen);
            named.filter_map(|(picture, sample)| Some(format!("{}{}", picture.name, wanted(sample)?))).collect()
        };
        let without_face = names(|s| matches!(s.seen, Ok(Seen::NoFace)).then(String::new));
        let unreadable = names(|s| s.seen.as_ref().err().map(|why| format!(": {why}")));
        let mut failed: Vec<(u64, u64)> = vec![(0, 0); self.set.people.len()];
        for (picture, sample) in self.set.pictures.iter().zip(seen) {
            // A file that cannot be read says nothing of faces.
            if sample.seen.is_ok() {
                failed[picture.person as usize].1 += 1;
                failed[picture.person as usize].0 += u64::from(matches!(sample.seen, Ok(Seen::NoFace)));
            }
        }
        let (people, people_with_two_pictures) = self.counts();
        let mut remarks = self.set.remarks.clone();
        if self.copies > 0 {
            remarks.push(format!("{} pictures are copies of another one of their person and count once", self.copies));
        }
        if people < 2 {
            remarks.push("there is one person only: nothing can be said about confusing people".to_owned());
        }
        if people_with_two_pictures == 0 {
            remarks.push("nobody has two usable pictures: nothing can be said about recognising anybody".to_owned());
        }
        DataSetPart {
            name: self.set.name.clone(),
            people,
            people_with_two_pictures,
            pictures: self.set.pictures.len() as u64,
            failure_to_enrol: by_person_rate(&failed).into(),
            without_face,
            unreadable,
            remarks,
        }
    }

    pub(super) fn calibration_part(&self) -> CalibrationPart {
        CalibrationPart {
            network: self.calibration.model_id.to_string(),
            data_set: self.calibration.data_set.clone(),
            comparisons: self.calibration.comparisons,
            method: self.calibration.method.clone(),
        }
    }

    /// The percents of the calibration in use; without one, cosines at which this very set reaches the levels' rates.
    pub(super) fn levels(&self, compared: &Compared, own: Option<f32>) -> Vec<Level> {
        let at = |percent: f32| Level {
            label: format!("similarity {percent}"),
            percent: Some(percent),
            cosine: self.calibration.threshold(percent),
        };
        let mut levels: Vec<Level> = if self.calibration.is_known() {
            PERCENTS.into_iter().map(at).collect()
        } else {
            let rates = [1e-3, 1e-4, 1e-5, 1e-6].into_iter();
            let level = |rate: f64| {
                let cosine = compared.non_mated.threshold_at(rate, EVENTS_MIN)?;
                Some(Level { label: format!("FMR {rate:.0e} of this set"), percent: None, cosine })
            };
            rates.filter_map(level).collect()
        };
        if let Some(percent) = own.filter(|percent| !PERCENTS.contains(percent)) {
            levels.push(at(percent));
            levels.sort_by(|a, b| a.cosine.total_cmp(&b.cosine));
        }
        levels
    }

    /// The scale fitted on this very set: its tail and its suspects; `None` where the people are too few.
    pub(super) fn own_fit(&self, compared: &Compared) -> Option<Fit> {
        calibrate::fit(Calibration::none(self.calibration.model_id.clone()), self.material(compared)).ok()
    }

    fn material<'b>(&'b self, compared: &'b Compared) -> Material<'b> {
        Material { non_mated: &compared.non_mated, people: &self.people, pictures: &self.pictures }
    }

    /// FMR at a cosine with an interval; where not every false match is kept, the interval is that of as many
    /// independent comparisons as there are people, which is too wide and never too narrow.
    fn fmr(&self, compared: &Compared, cosine: f32, aside: &[(u32, u32)]) -> Rate {
        let Some(pairs) = compared.non_mated.beyond(cosine) else {
            let (errors, trials) = (compared.non_mated.at_or_above(cosine), compared.non_mated.total());
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let independent_trials = self.counts().0 as f64;
            return Rate { errors, trials, independent_trials };
        };
        let mut confused = confusions(pairs, &self.people);
        if aside.is_empty() {
            return non_mated_rate(&self.pictures, &confused);
        }
        confused.retain(|pair| aside.binary_search(&(pair.first, pair.second)).is_err());
        let without: u64 = aside
            .iter()
            .map(|&(a, b)| u64::from(self.pictures[a as usize]) * u64::from(self.pictures[b as usize]))
            .sum();
        let rate = non_mated_rate(&self.pictures, &confused);
        let trials = rate.trials - without.min(rate.trials);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let independent_trials = rate.independent_trials.min(trials as f64);
        Rate { trials, independent_trials, ..rate }
    }

    /// Mated comparisons below the cosine, of the samples that `keep` lets stay.
    fn fnmr(&self, compared: &Compared, cosine: f32, keep: &dyn Fn(u32) -> bool) -> Rate {
        let mut counts = vec![0_u64; self.pictures.len()];
        (0..).zip(&self.people).filter(|(sample, _)| keep(*sample)).for_each(|(_, &p)| counts[p as usize] += 1);
        let Some(pairs) = compared.mated.beyond(cosine) else {
            let trials = compared.mated.total();
            let errors = trials - compared.mated.at_or_above(cosine);
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            return Rate { errors, trials, independent_trials: self.counts().1 as f64 };
        };
        let mut people: Vec<(u64, u64)> = counts.iter().map(|&n| (0, n * n.saturating_sub(1) / 2)).collect();
        for pair in pairs.iter().filter(|pair| keep(pair.first) && keep(pair.second)) {
            people[self.people[pair.first as usize] as usize].0 += 1;
        }
        by_person_rate(&people)
    }

    pub(super) fn verification(&self, compared: &Compared, levels: &[Level], aside: &[(u32, u32)]) -> Verification {
        let all = |_: u32| true;
        let at_fmr = FMR_LEVELS.map(|fmr| {
            let cosine = compared.non_mated.threshold_at(fmr, EVENTS_MIN);
            AtFmr {
                fmr,
                cosine,
                similarity: cosine.filter(|_| self.calibration.is_known()).map(|c| self.calibration.percent(c)),
                tmr: cosine
                    .filter(|_| compared.mated.total() > 0)
                    .map(|c| self.fnmr(compared, c, &all).complement().into()),
            }
        });
        let at_threshold = levels.iter().map(|level| AtThreshold {
            label: level.label.clone(),
            cosine: level.cosine,
            fmr: self.fmr(compared, level.cosine, &[]).into(),
            fmr_suspects_aside: self.fmr(compared, level.cosine, aside).into(),
            fmr_of_people: calibrate::rate_of_people(self.material(compared), level.cosine, aside)
                .map(|(rate, low, high)| [rate, low, high]),
            fnmr: self.fnmr(compared, level.cosine, &all).into(),
            stated_fmr: level
                .percent
                .and_then(|_| self.calibration.fmr(level.cosine))
                .map(|stated| [stated.rate, stated.low, stated.high]),
        });
        Verification {
            mated: compared.mated.total(),
            non_mated: compared.non_mated.total(),
            at_fmr: at_fmr.into(),
            at_threshold: at_threshold.collect(),
            det: det(compared),
            non_mated_histogram: compared.non_mated.histogram().coarse(HISTOGRAM_PARTS),
            mated_histogram: compared.mated.histogram().coarse(HISTOGRAM_PARTS),
        }
    }

    pub(super) fn listed_pairs(&self, folds: &Folds) -> Option<ListedPairs> {
        let samples: HashMap<usize, usize> = self.usable.iter().enumerate().map(|(s, &place)| (place, s)).collect();
        let vector = |place: Option<usize>| Some(self.samples().vector(*samples.get(&place?)?));
        let mut without_face = 0;
        let scored: Vec<Vec<Comparison>> = folds
            .iter()
            .map(|fold| {
                let score = |pair: &super::lfw::ListedPair| {
                    let mut cosine = [0.0];
                    crate::vision::cosines(vector(pair.first)?, vector(pair.second)?, &mut cosine);
                    Some(Comparison { cosine: cosine[0], mated: pair.mated })
                };
                let scores: Vec<Comparison> = fold.iter().filter_map(score).collect();
                without_face += (fold.len() - scores.len()) as u64;
                scores
            })
            .collect();
        let pairs: u64 = scored.iter().map(|fold| fold.len() as u64).sum();
        let results = fold_accuracies(&scored);
        if pairs == 0 || results.is_empty() {
            return None;
        }
        // The folds' decisions together: each at the threshold of the others.
        let decided = scored.iter().filter(|fold| !fold.is_empty()).zip(&results);
        let right: usize = decided.map(|(fold, (_, threshold))| right_at(fold, *threshold)).sum();
        let (low, high) = Rate::counted(pairs - right as u64, pairs).interval();
        let (accuracy, standard_error) = mean_and_error(&results);
        Some(ListedPairs {
            pairs,
            without_face,
            accuracy,
            standard_error,
            interval: [1.0 - high, 1.0 - low],
            fold_accuracies: results.iter().map(|(accuracy, _)| *accuracy).collect(),
            fold_thresholds: results.iter().map(|(_, threshold)| *threshold).collect(),
        })
    }

    pub(super) fn suspects(&self, compared: &Compared, fit: Option<&Fit>) -> Suspects {
        let aside = fit.map(|fit| fit.suspected.as_slice()).unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        let of = |pair: &Pair| {
            let (a, b) = (self.people[pair.first as usize], self.people[pair.second as usize]);
            (a.min(b), a.max(b))
        };
        let closest = compared.non_mated.pairs().iter().filter(|pair| aside.binary_search(&of(pair)).is_ok());
        let one_person_two_names = closest
            .filter(|pair| seen.insert(of(pair)))
            .take(LISTED_MAX)
            .map(|pair| SuspectPair {
                cosine: pair.cosine,
                first: self.name(pair.first),
                second: self.name(pair.second),
            })
            .collect();
        let name = |place: usize| self.set.pictures[place].name.clone();
        let same_picture = self
            .same_picture
            .iter()
            .take(LISTED_MAX)
            .map(|&(a, b)| SuspectPair { cosine: 1.0, first: name(a), second: name(b) })
            .collect();
        Suspects {
            pairs_of_people: aside.len() as u64,
            one_person_two_names,
            same_picture,
            unlike_their_person: self.unlike_their_person(compared),
        }
    }

    /// Pictures whose best comparison with their own person is one that a tenth of strangers reach: somebody else, or
    /// nothing of a face. Only of people with three pictures or more, where one can be told from the others.
    fn unlike_their_person(&self, compared: &Compared) -> Vec<(String, f32)> {
        let Some(strange) = compared.non_mated.threshold_at(0.1, EVENTS_MIN) else { return Vec::new() };
        let Some(pairs) = compared.mated.beyond(strange) else { return Vec::new() };
        let mut low: BTreeMap<u32, (u32, f32)> = BTreeMap::new();
        for pair in pairs {
            for sample in [pair.first, pair.second] {
                let entry = low.entry(sample).or_insert((0, -1.0));
                *entry = (entry.0 + 1, entry.1.max(pair.cosine));
            }
        }
        let others = |sample: u32| self.pictures[self.people[sample as usize] as usize] - 1;
        let mut unlike: Vec<(String, f32)> = low
            .into_iter()
            .filter(|(sample, (count, _))| others(*sample) >= 2 && *count == others(*sample))
            .map(|(sample, (_, best))| (self.name(sample), best))
            .collect();
        unlike.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        unlike.truncate(LISTED_MAX);
        unlike
    }

    pub(super) fn quality(&self, compared: &Compared, levels: &[Level]) -> Vec<QualityCurve> {
        let Some(level) = levels.first().filter(|_| compared.mated.total() > 0) else { return Vec::new() };
        if compared.mated.beyond(level.cosine).is_none() {
            return Vec::new();
        }
        let curve = |(place, measure): (usize, &&str)| {
            let mut sorted: Vec<f32> = self.measures.iter().map(|values| values[place]).collect();
            sorted.sort_by(f32::total_cmp);
            let point = |share: f64| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a count"
                )]
                let floor = sorted[((share * sorted.len() as f64) as usize).min(sorted.len() - 1)];
                let keep = |sample: u32| self.measures[sample as usize][place] >= floor;
                Discarded { share, floor, fnmr: self.fnmr(compared, level.cosine, &keep).into() }
            };
            QualityCurve {
                measure: (*measure).to_owned(),
                label: level.label.clone(),
                points: [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5].map(point).into(),
            }
        };
        MEASURES.iter().enumerate().map(curve).collect()
    }

    /// One draw: who is searched for, and what was found, by size.
    pub(super) fn search(&self, plan: &Plan, sizes: &[usize], levels: &[Level]) -> Vec<Vec<Found>> {
        let thresholds: Vec<f32> = levels.iter().map(|level| level.cosine).collect();
        let (vectors, people) = self.gather(plan.gallery.iter());
        let enrolled = Samples { dimensions: self.dimensions, vectors: &vectors, people: &people };
        let (vectors, people) = self.gather(plan.non_mated.iter().chain(&plan.mated));
        let probes = Samples { dimensions: self.dimensions, vectors: &vectors, people: &people };
        search_all(Enrolled { samples: enrolled, sizes, thresholds: &thresholds }, probes, self.threads)
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn gather<'b>(&self, samples: impl Iterator<Item = &'b u32>) -> (Vec<f32>, Vec<u32>) {
        let (mut vectors, mut people) = (Vec::new(), Vec::new());
        for &sample in samples {
            vectors.extend_from_slice(self.samples().vector(sample as usize));
            people.push(self.people[sample as usize]);
        }
        (vectors, people)
    }

    /// The seeded choice of one draw. One enrolled picture of each person: pictures of one person hang together, and
    /// many of one would make the gallery look larger than it is.
    pub(super) fn plan(&self, searching: Searching, draw: u64) -> Plan {
        let mut draw = Draw::seeded(searching.seed.wrapping_add(draw));
        let wanted = Wanted { non_mated: searching.probes, mated: searching.probes, enrolled: usize::MAX };
        let mut plan = Plan::draw(&self.people, wanted, &mut draw);
        let mut enrolled = std::collections::HashSet::new();
        plan.gallery.retain(|&sample| enrolled.insert(self.people[sample as usize]));
        plan
    }

    pub(super) fn identification(
        &self,
        searching: Searching,
        levels: &[Level],
        progress: &dyn Fn(),
    ) -> (Vec<Gallery>, Vec<PredictionCheck>, Vec<Found>) {
        let plans: Vec<Plan> = (0..searching.draws).map(|draw| self.plan(searching, draw)).collect();
        let Some(largest) = plans.iter().map(|plan| plan.gallery.len()).min().filter(|&size| size > 0) else {
            return (Vec::new(), Vec::new(), Vec::new());
        };
        let mut sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size < largest).collect();
        sizes.push(largest);
        let mut by_size: Vec<Vec<Found>> = vec![Vec::new(); sizes.len()];
        let mut checks = Checks::new(levels, largest);
        for plan in &plans {
            let mut found = self.search(plan, &sizes, levels);
            for found in &mut found {
                // Whose mate is not among the first N yet is no stranger like the others: several pictures are known.
                let mut place = 0;
                found.retain(|f| {
                    place += 1;
                    place <= plan.non_mated.len() || f.own.is_some()
                });
            }
            checks.add(self, plan, found.last().map(Vec::as_slice).unwrap_or_default());
            by_size.iter_mut().zip(found).for_each(|(all, mut found)| all.append(&mut found));
            progress();
        }
        let galleries = sizes
            .iter()
            .zip(&by_size)
            .map(|(&size, found)| self.gallery(size, searching.draws, found, levels))
            .collect();
        (galleries, checks.finish(), by_size.pop().unwrap_or_default())
    }

    fn gallery(&self, size: usize, draws: u64, found: &[Found], levels: &[Level]) -> Gallery {
        let at_threshold = levels.iter().enumerate().map(|(place, level)| Identified {
            label: level.label.clone(),
            cosine: level.cosine,
            fpir: fpir(found, level.cosine).into(),
            fpir_suspects_aside: None,
            fnir_rank_1: fnir(found, level.cosine, 1).into(),
            selectivity: returned(&selectivity(found, place, size as u64), size),
            expected_fpir: level.percent.and_then(|_| expected(&self.calibration, level.cosine, size as u64)),
        });
        Gallery {
            enrolled: size as u64,
            draws,
            non_mated_searches: found.iter().filter(|f| f.own.is_none()).count() as u64,
            mated_searches: found.iter().filter(|f| f.own.is_some()).count() as u64,
            at_threshold: at_threshold.collect(),
            investigation: RANKS.into_iter().map(|rank| (rank, fnir(found, -1.0, rank).into())).collect(),
        }
    }

    pub(super) fn groups(&self, compared: &Compared, levels: &[Level], searches: &[Found]) -> Vec<GroupTable> {
        let Some(level) = levels.first() else { return Vec::new() };
        let mut tables = Vec::new();
        let mut all = Vec::new();
        for (column, name) in self.set.columns.iter().enumerate() {
            let group_of = self.group_of_people(column);
            for (measure, groups) in self.measures_of_groups(compared, level, searches, &group_of) {
                let compared = groups::compare(&groups);
                tables.push((name.clone(), measure, compared.len()));
                all.extend(compared);
            }
        }
        // Holm over everything that the report compares.
        groups::judge(&mut all);
        let mut all = all.into_iter();
        tables
            .into_iter()
            .map(|(column, measure, count)| {
                let rows: Vec<groups::Compared> = all.by_ref().take(count).collect();
                GroupTable {
                    column,
                    measure: measure.to_owned(),
                    label: level.label.clone(),
                    max_over_geometric_mean: groups::max_over_geometric_mean(&rows).map(Estimate::from),
                    groups: rows.into_iter().map(group_row).collect(),
                }
            })
            .collect()
    }

    fn group_of_people(&self, column: usize) -> Vec<String> {
        let mut groups = vec![String::new(); self.set.people.len()];
        for picture in &self.set.pictures {
            groups[picture.person as usize].clone_from(&picture.groups[column]);
        }
        groups
    }

    fn measures_of_groups(
        &self,
        compared: &Compared,
        level: &Level,
        searches: &[Found],
        group_of: &[String],
    ) -> Vec<(&'static str, Vec<Group>)> {
        let mut names: Vec<&String> = group_of.iter().filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        let people = |name: &String| {
            let with = group_of.iter().zip(&self.pictures).filter(|(group, count)| *group == name && **count > 0);
            with.count() as u64
        };
        let each = |rate: &dyn Fn(&String) -> Option<Rate>| -> Vec<Group> {
            let group = |name: &&String| Some(Group { name: (*name).clone(), people: people(name), rate: rate(name)? });
            names.iter().filter_map(group).collect()
        };
        let fmr = |name: &String| {
            let of: Vec<u32> =
                self.pictures.iter().zip(group_of).map(|(&n, group)| if group == name { n } else { 0 }).collect();
            let mut confused = confusions(compared.non_mated.beyond(level.cosine)?, &self.people);
            confused.retain(|pair| group_of[pair.first as usize] == *name && group_of[pair.second as usize] == *name);
            Some(non_mated_rate(&of, &confused)).filter(|_| non_mated_comparisons(&of) > 0)
        };
        let fnmr = |name: &String| {
            compared.mated.beyond(level.cosine)?;
            Some(self.fnmr(compared, level.cosine, &|s| group_of[self.people[s as usize] as usize] == *name))
                .filter(|rate| rate.trials > 0)
        };
        let of_group = |name: &String| -> Vec<Found> {
            searches.iter().filter(|f| group_of[f.person as usize] == *name).cloned().collect()
        };
        let searched = |name: &String| Some(fpir(&of_group(name), level.cosine)).filter(|rate| rate.trials > 0);
        let missed = |name: &String| Some(fnir(&of_group(name), level.cosine, 1)).filter(|rate| rate.trials > 0);
        vec![
            ("FMR within the group", each(&fmr)),
            ("FNMR", each(&fnmr)),
            ("FPIR, largest gallery", each(&searched)),
            ("FNIR at rank 1, largest gallery", each(&missed)),
        ]
    }
}

fn group_row(compared: groups::Compared) -> GroupRow {
    GroupRow {
        group: compared.group.name,
        people: compared.group.people,
        rate: compared.group.rate.into(),
        ratio_to_best: compared.to_best.map(Estimate::from),
        standing: match compared.standing {
            Standing::TooFew => "too few",
            Standing::NotWorse => "not worse",
            Standing::Worse => "worse",
        }
        .to_owned(),
    }
}

/// Others returned by a search among so many enrolled; `None` without searches.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn returned(of_comparisons: &Rate, enrolled: usize) -> Option<Estimate> {
    let (low, high) = of_comparisons.interval();
    let of_searches = |rate: f64| rate * enrolled as f64;
    let value = of_searches(of_comparisons.value()?);
    Some(Estimate { value, low: of_searches(low), high: of_searches(high) })
}

/// What a calibration expects: rate, low, high.
pub(super) fn expected(calibration: &Calibration, cosine: f32, enrolled: u64) -> Option<[f64; 3]> {
    match expect(calibration, cosine, enrolled).fpir {
        Fpir::Known { rate, low, high, .. } => Some([rate, low, high]),
        Fpir::Unknown(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few folds")]
fn mean_and_error(folds: &[(f64, f32)]) -> (f64, f64) {
    let n = folds.len() as f64;
    let mean = folds.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / n;
    let variance = folds.iter().map(|(accuracy, _)| (accuracy - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

/// Points of the DET curve where either rate changes, as far as both counts hold some events.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn det(compared: &Compared) -> Vec<[f64; 3]> {
    let (mated, non_mated) = (compared.mated.total(), compared.non_mated.total());
    if mated == 0 || non_mated == 0 {
        return Vec::new();
    }
    (0..=400_u16)
        .map(|step| f32::from(step) / 200.0 - 1.0)
        .filter_map(|cosine| {
            let accepted = compared.non_mated.at_or_above(cosine);
            let refused = mated - compared.mated.at_or_above(cosine);
            let told = accepted >= EVENTS_MIN && refused >= EVENTS_MIN;
            told.then(|| [f64::from(cosine), accepted as f64 / non_mated as f64, refused as f64 / mated as f64])
        })
        .collect()
}

/// The statement of the report in sentences.
pub(super) fn statement(
    galleries: &[Gallery],
    data: &DataSetPart,
    network: &str,
    searches_a_year: Option<u64>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    if data.people < 2 {
        sentences.push("With one person only nothing can be said about confusing people.".to_owned());
    }
    let Some(gallery) = galleries.last() else { return sentences };
    for at in &gallery.at_threshold {
        let of = |share: f64| words::of_thousand(share);
        let mut text = match at.fpir.value {
            None => continue,
            Some(_) if at.fpir.errors == 0 => format!(
                "At {} among {} enrolled people, none of {} searches of people who are not enrolled returned somebody: of 1,000 such searches, expect at most {}",
                at.label,
                words::count(gallery.enrolled),
                words::count(at.fpir.trials),
                of(at.fpir.high)
            ),
            Some(value) => format!(
                "At {} among {} enrolled people, of 1,000 searches of people who are not enrolled, expect {} to return somebody else (95 %: {} to {})",
                at.label,
                words::count(gallery.enrolled),
                of(value),
                of(at.fpir.low),
                of(at.fpir.high)
            ),
        };
        if let Some(year) = searches_a_year {
            #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
            let (low, high) = (at.fpir.low * year as f64, at.fpir.high * year as f64);
            text.push_str(&format!("; in {} searches a year, {low:.0} to {high:.0}", words::count(year)));
        }
        match at.fnir_rank_1.value {
            None => text.push('.'),
            Some(_) if at.fnir_rank_1.errors == 0 => {
                text.push_str(&format!(
                    ". None of {} searches of people who are enrolled missed them: of 1,000, at most {}.",
                    words::count(at.fnir_rank_1.trials),
                    of(at.fnir_rank_1.high)
                ));
            }
            Some(value) => text.push_str(&format!(
                ". Of 1,000 searches of people who are enrolled with one picture, {} do not return them first ({} to {}).",
                of(value), of(at.fnir_rank_1.low), of(at.fnir_rank_1.high)
            )),
        }
        sentences.push(text);
    }
    sentences.push(format!(
        "This holds for network {network} on pictures and people like those of {}, and for galleries of at most {} people; beyond, it is extrapolated.",
        data.name,
        words::count(gallery.enrolled * 10 / 9)
    ));
    sentences
}
