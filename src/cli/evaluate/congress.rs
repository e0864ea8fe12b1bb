//! The published face-search tests as shapes: so many people who are not enrolled, searched in a gallery of so many at
//! some threshold. Run on the operator's own pictures; no picture of theirs is here.

use super::findings::{Congress, Figure};
use super::measure::{Measured, Searching, expected};
use super::words;
use crate::gallery::all_pairs::Samples;
use crate::gallery::error_rates::{Draw, Rate};
use crate::gallery::identification::{Enrolled, Plan, Wanted, fpir, search_all};

/// A test that was made and published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Preset {
    /// American Civil Liberties Union, July 2018: 25,000 arrest photos, 535 members of Congress, similarity 80
    #[value(name = "congress-2018")]
    Congress2018,
    /// 2019: 25,000 arrest photos, 120 members of California's legislature, similarity 80
    #[value(name = "california-2019")]
    California2019,
    /// 2019: 20,000 arrest photos, 188 athletes of New England, similarity 80
    #[value(name = "athletes-2019")]
    Athletes2019,
    /// The vendor's reply, 2018: 850,000 faces, members of Congress, similarity 99
    #[value(name = "reply-2018")]
    Reply2018,
    /// A sheriff's practice: 300,000 booking photos, no threshold, the best five
    #[value(name = "sheriff-top5")]
    SheriffTop5,
}

/// A test's shape.
pub(super) struct Shape {
    name: &'static str,
    gallery: usize,
    pub(super) probes: usize,
    /// Percent; `None` returns the best of the list whatever they are.
    pub(super) similarity: Option<f32>,
    list: u64,
    published: &'static str,
}

impl Preset {
    pub(super) fn shape(self) -> Shape {
        let shape = |name, gallery, probes, similarity, list, published| Shape {
            name,
            gallery,
            probes,
            similarity,
            list,
            published,
        };
        match self {
            Self::Congress2018 => shape(
                "congress-2018",
                25_000,
                535,
                Some(80.0),
                1,
                "28 of 535 members of Congress were taken for somebody in 25,000 arrest photos: 5.2 % (3.5 % to 7.5 %)",
            ),
            Self::California2019 => shape(
                "california-2019",
                25_000,
                120,
                Some(80.0),
                1,
                "26 of 120 legislators were taken for somebody in 25,000 arrest photos: 21.7 % (14.7 % to 30.1 %)",
            ),
            Self::Athletes2019 => shape(
                "athletes-2019",
                20_000,
                188,
                Some(80.0),
                1,
                "27 of 188 athletes were taken for somebody in 20,000 arrest photos: 14.4 % (9.7 % to 20.2 %)",
            ),
            Self::Reply2018 => shape(
                "reply-2018",
                850_000,
                535,
                Some(99.0),
                1,
                "none of 535 among 850,000 faces at 99 was reported as 0 %; with 535 searches that is a rate of at most 0.69 %",
            ),
            Self::SheriffTop5 => shape(
                "sheriff-top5",
                300_000,
                535,
                None,
                5,
                "300,000 booking photos were searched without a threshold, for the best five each time",
            ),
        }
    }
}

/// Vectors of an existing collection as the gallery.
pub(super) struct Collection {
    pub(super) name: String,
    pub(super) vectors: Vec<f32>,
    pub(super) faces: usize,
}

/// Runs the shape on the set's own pictures, or with a collection as the gallery; `None` with too few people.
pub(super) fn run(
    preset: Preset,
    measured: &Measured<'_>,
    collection: Option<&Collection>,
    searching: Searching,
) -> Option<Congress> {
    let shape = preset.shape();
    let cosine = shape.similarity.map_or(-1.0, |percent| measured.calibration.threshold(percent));
    let outcomes: Vec<(usize, usize, Rate)> = (0..searching.draws.max(1))
        .filter_map(|draw| one(&shape, measured, collection, searching.seed.wrapping_add(draw), cosine))
        .collect();
    let &(gallery, people, outcome) = outcomes.first()?;
    let source = match collection {
        Some(collection) => format!(
            "collection `{}`, {} faces (supposing that none of these people is enrolled there)",
            collection.name,
            words::count(gallery as u64)
        ),
        None => format!(
            "{} pictures of {} other people of {}",
            words::count(gallery as u64),
            words::count(people as u64),
            measured.set.name
        ),
    };
    let outcome = Figure::from(outcome);
    let over_draws: Vec<u64> = outcomes.iter().map(|(_, _, rate)| rate.errors).collect();
    let larger = (gallery < shape.gallery).then_some(shape.gallery as u64);
    let at_full =
        larger.filter(|_| shape.similarity.is_some()).map(|size| expected(&measured.calibration, cosine, size));
    let paragraph = paragraph(&shape, &source, &outcome, &over_draws, gallery as u64, at_full, measured);
    Some(Congress {
        preset: shape.name.to_owned(),
        published: shape.published.to_owned(),
        gallery_wanted: shape.gallery as u64,
        gallery: gallery as u64,
        gallery_source: source,
        similarity: shape.similarity,
        list_length: shape.list,
        outcome,
        over_draws,
        paragraph,
    })
}

/// One draw: size of the gallery, people in it, and how many of the strangers' searches found somebody.
fn one(
    shape: &Shape,
    measured: &Measured<'_>,
    collection: Option<&Collection>,
    seed: u64,
    cosine: f32,
) -> Option<(usize, usize, Rate)> {
    let mut draw = Draw::seeded(seed);
    let wanted = Wanted { non_mated: shape.probes, mated: 0, enrolled: shape.gallery };
    let plan = Plan::draw(measured.people(), wanted, &mut draw);
    if plan.non_mated.is_empty() || (collection.is_none() && plan.gallery.is_empty()) {
        return None;
    }
    let (probes, probe_people) = measured.gather(plan.non_mated.iter());
    let (own, own_people) = measured.gather(plan.gallery.iter());
    // Nobody of a collection is known to be one of the set's people.
    let strangers = vec![u32::MAX; collection.map_or(0, |collection| collection.faces)];
    let dimensions = measured.samples().dimensions;
    let enrolled = match collection {
        Some(collection) => Samples { dimensions, vectors: &collection.vectors, people: &strangers },
        None => Samples { dimensions, vectors: &own, people: &own_people },
    };
    let sizes = [enrolled.len().min(shape.gallery)];
    let probes = Samples { dimensions, vectors: &probes, people: &probe_people };
    let found = search_all(Enrolled { samples: enrolled, sizes: &sizes, thresholds: &[] }, probes, measured.threads());
    let mut people: Vec<u32> = own_people;
    people.sort_unstable();
    people.dedup();
    Some((sizes[0], people.len(), fpir(found.first()?, cosine)))
}

/// The answer that a judge can read.
fn paragraph(
    shape: &Shape,
    source: &str,
    outcome: &Figure,
    over_draws: &[u64],
    gallery: u64,
    at_full: Option<Option<[f64; 3]>>,
    measured: &Measured<'_>,
) -> String {
    let network = &measured.calibration.model_id;
    let searches = words::count(outcome.trials);
    let Some(percent) = shape.similarity else {
        return format!(
            "{searches} people who are not enrolled were searched among {source} with network {network}, without a threshold. Each search returned {} people, and every one of them was somebody else: of 1,000 searches of people who are not enrolled, expect 1,000 to return somebody else. A list without a threshold never says that somebody is not there; whoever reads it decides.",
            shape.list
        );
    };
    let mut text = format!(
        "{searches} people who are not enrolled were searched among {source} at similarity {percent}, with network {network}. {} of them were taken for somebody else. ",
        if outcome.errors == 0 { "None".to_owned() } else { words::count(outcome.errors) }
    );
    text.push_str(&match outcome.value {
        Some(value) if outcome.errors > 0 => format!(
            "Of 1,000 searches of people who are not enrolled, expect {} to return somebody else (95 % interval: {} to {}), at this threshold, this gallery and this network.",
            words::of_thousand(value), words::of_thousand(outcome.low), words::of_thousand(outcome.high)
        ),
        _ => format!(
            "That does not mean never: of 1,000 searches of people who are not enrolled, expect at most {} to return somebody else, at this threshold, this gallery and this network.",
            words::of_thousand(outcome.high)
        ),
    });
    if let (Some(least), Some(most)) = (over_draws.iter().min(), over_draws.iter().max())
        && over_draws.len() > 1
    {
        text.push_str(&format!(" Over {} random choices of the people, it was {least} to {most}.", over_draws.len()));
    }
    match at_full {
        None => {}
        Some(None) => text.push_str(&format!(
            " The published test had {} enrolled, here were {}; what it would be there is not known, because the network has no calibration.",
            words::count(shape.gallery as u64), words::count(gallery)
        )),
        Some(Some([rate, low, high])) => text.push_str(&format!(
            " The published test had {} enrolled, here were {}: for as many the calibration expects {} of 1,000 ({} to {}), extrapolated.",
            words::count(shape.gallery as u64), words::count(gallery),
            words::of_thousand(rate), words::of_thousand(low), words::of_thousand(high)
        )),
    }
    text
}
