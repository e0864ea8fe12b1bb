//! The published face-search tests as shapes: so many people who are not enrolled, searched in a gallery of so many at
//! some threshold. Run on the operator's own pictures; no picture of theirs is here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::findings::{Congress, Figure, LeftOut, SuspectPair};
use super::measure::{LISTED_MAX, Measured, Searching, expected};
use super::words;
use crate::cli::index::external_id::fit;
use crate::gallery::all_pairs::Samples;
use crate::gallery::error_rates::{Draw, Rate};
use crate::gallery::identification::{Enrolled, Found, Plan, Wanted, fpir, search_all};
use crate::gallery::{ExternalImageId, FaceId, ImageId, UserId};
use crate::operations::image_id_of_hash;

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

/// An existing collection as the gallery.
pub(super) struct Collection {
    pub(super) name: String,
    pub(super) vectors: Vec<f32>,
    pub(super) faces: Vec<EnrolledFace>,
}

/// What is known of a face of the collection.
pub(in crate::cli) struct EnrolledFace {
    pub(super) id: FaceId,
    pub(super) image: ImageId,
    pub(super) external: Option<ExternalImageId>,
    pub(in crate::cli) user: Option<UserId>,
}

impl EnrolledFace {
    /// For a person to find it: what it was named by, and its id.
    pub(in crate::cli) fn name(&self) -> String {
        let name = self.user.as_ref().map(UserId::as_str).or(self.external.as_ref().map(ExternalImageId::as_str));
        name.map_or_else(|| format!("face {}", self.id), |name| format!("{name} (face {})", self.id))
    }
}

/// Who of a set is known to be enrolled in the collection: those are no strangers there.
#[derive(Default)]
struct Known {
    people: HashSet<u32>,
    left_out: LeftOut,
}

impl Known {
    /// By a user or an external image id of their name, or by a picture of theirs, byte for byte.
    fn of(collection: &Collection, measured: &Measured<'_>) -> Self {
        let users: HashSet<&str> = collection.faces.iter().filter_map(|f| Some(f.user.as_ref()?.as_str())).collect();
        let names: HashSet<&str> =
            collection.faces.iter().filter_map(|f| Some(f.external.as_ref()?.as_str())).collect();
        let images: HashSet<ImageId> = collection.faces.iter().map(|face| face.image).collect();
        let mut pictured = HashSet::new();
        for (&person, hash) in measured.people().iter().zip(measured.hashes()) {
            if images.contains(&image_id_of_hash(hash)) {
                pictured.insert(person);
            }
        }
        let mut known = Self::default();
        let people: BTreeSet<u32> = measured.people().iter().copied().collect();
        for person in people {
            // As `trombi index` fits the name of a folder.
            let name = fit(&measured.set.people[person as usize]);
            let (left_out, is_known) = (&mut known.left_out, users.contains(name.as_str()));
            let count = if is_known {
                &mut left_out.by_user
            } else if names.contains(name.as_str()) {
                &mut left_out.by_external_image_id
            } else if pictured.contains(&person) {
                &mut left_out.by_picture
            } else {
                continue;
            };
            *count += 1;
            known.people.insert(person);
        }
        known
    }
}

/// Runs the shape on the set's own pictures, or with a collection as the gallery.
pub(super) fn run(
    preset: Preset,
    measured: &Measured<'_>,
    collection: Option<&Collection>,
    searching: Searching,
) -> Congress {
    let shape = preset.shape();
    let known = collection.map(|collection| Known::of(collection, measured));
    let test = Test {
        cosine: shape.similarity.map_or(-1.0, |percent| measured.calibration.threshold(percent)),
        shape,
        measured,
        collection: collection.zip(known.as_ref()),
    };
    let mut searched = (0..searching.draws.max(1)).filter_map(|draw| test.search(searching.seed.wrapping_add(draw)));
    let Some(first) = searched.next() else { return test.impossible() };
    let taken_for = test.taken_for(&first);
    let outcome = Figure::from(fpir(&first.found, test.cosine));
    let over_draws: Vec<u64> = std::iter::once(outcome.errors)
        .chain(searched.map(|searched| fpir(&searched.found, test.cosine).errors))
        .collect();
    let (source, gallery) = (test.source(&first), first.gallery.people.len() as u64);
    let paragraph = test.paragraph(&source, &outcome, &over_draws, gallery);
    Congress { gallery, gallery_source: source, outcome, over_draws, taken_for, paragraph, ..test.blank() }
}

/// One test on one set.
struct Test<'a> {
    shape: Shape,
    cosine: f32,
    measured: &'a Measured<'a>,
    collection: Option<(&'a Collection, &'a Known)>,
}

/// Who is enrolled in one draw.
struct Gallery<'a> {
    vectors: Cow<'a, [f32]>,
    people: Vec<u32>,
    /// Places in the collection, or numbers of samples.
    places: Vec<u32>,
}

/// One draw, and what its searches found.
struct Searched<'a> {
    probes: Vec<u32>,
    gallery: Gallery<'a>,
    found: Vec<Found>,
}

impl<'a> Test<'a> {
    /// `None` with nobody to search for, or nobody to search among.
    fn search(&self, seed: u64) -> Option<Searched<'a>> {
        let mut draw = Draw::seeded(seed);
        let (probes, gallery) = match self.collection {
            Some((collection, known)) => (self.strangers(known, &mut draw), self.some_of(collection, &mut draw)),
            None => {
                let wanted = Wanted { non_mated: self.shape.probes, mated: 0, enrolled: self.shape.gallery };
                let plan = Plan::draw(self.measured.people(), wanted, &mut draw);
                let (vectors, people) = self.measured.gather(plan.gallery.iter());
                (plan.non_mated, Gallery { vectors: Cow::Owned(vectors), people, places: plan.gallery })
            }
        };
        if probes.is_empty() || gallery.people.is_empty() {
            return None;
        }
        let (vectors, people) = self.measured.gather(probes.iter());
        let dimensions = self.measured.samples().dimensions;
        let enrolled = Samples { dimensions, vectors: &gallery.vectors, people: &gallery.people };
        let sizes = [enrolled.len()];
        let searches = Samples { dimensions, vectors: &vectors, people: &people };
        let enrolled = Enrolled { samples: enrolled, sizes: &sizes, thresholds: &[] };
        let found = search_all(enrolled, searches, self.measured.threads()).pop()?;
        Some(Searched { probes, gallery, found })
    }

    /// One picture each of people who are not known to be enrolled.
    fn strangers(&self, known: &Known, draw: &mut Draw) -> Vec<u32> {
        let mut pictures: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (sample, &person) in (0..).zip(self.measured.people()) {
            if !known.people.contains(&person) {
                pictures.entry(person).or_default().push(sample);
            }
        }
        let mut pictures: Vec<Vec<u32>> = pictures.into_values().collect();
        draw.shuffle(&mut pictures);
        pictures.iter().take(self.shape.probes).map(|of_one| of_one[draw.below(of_one.len())]).collect()
    }

    /// All of a collection, or as many of its faces, at random, as the test had. Nobody there is one of the probes.
    fn some_of(&self, collection: &'a Collection, draw: &mut Draw) -> Gallery<'a> {
        let mut places: Vec<u32> = (0..).take(collection.faces.len()).collect();
        let people = |count: usize| vec![u32::MAX; count];
        if places.len() <= self.shape.gallery {
            return Gallery { vectors: Cow::Borrowed(&collection.vectors), people: people(places.len()), places };
        }
        draw.shuffle(&mut places);
        places.truncate(self.shape.gallery);
        let all = Samples { dimensions: self.measured.samples().dimensions, vectors: &collection.vectors, people: &[] };
        let vectors = places.iter().flat_map(|&place| all.vector(place as usize)).copied().collect();
        Gallery { vectors: Cow::Owned(vectors), people: people(places.len()), places }
    }

    /// Who was taken for whom, closest first.
    fn taken_for(&self, searched: &Searched<'_>) -> Vec<SuspectPair> {
        let mut cosines = vec![0.0; searched.gallery.people.len()];
        let wrong = searched.probes.iter().zip(&searched.found);
        let mut taken: Vec<SuspectPair> = wrong
            .filter(|(_, found)| found.other.is_some_and(|other| other >= self.cosine))
            .filter_map(|(&probe, found)| {
                let vector = self.measured.samples().vector(probe as usize);
                crate::vision::cosines(vector, &searched.gallery.vectors, &mut cosines);
                let place = cosines.iter().position(|&cosine| Some(cosine) == found.other)?;
                let place = searched.gallery.places[place];
                let second =
                    self.collection.map_or_else(|| self.measured.name(place), |(c, _)| c.faces[place as usize].name());
                Some(SuspectPair { cosine: found.other?, first: self.measured.name(probe), second })
            })
            .collect();
        taken.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then_with(|| a.first.cmp(&b.first)));
        taken.truncate(LISTED_MAX);
        taken
    }

    /// What was searched, in words.
    fn source(&self, first: &Searched<'_>) -> String {
        let enrolled = words::count(first.gallery.people.len() as u64);
        let Some((collection, _)) = self.collection else {
            let people: BTreeSet<u32> = first.gallery.people.iter().copied().collect();
            let people = words::count(people.len() as u64);
            return format!("{enrolled} pictures of {people} other people of {}", self.measured.set.name);
        };
        if first.gallery.people.len() < collection.faces.len() {
            let all = words::count(collection.faces.len() as u64);
            return format!("{enrolled} of the {all} faces of collection `{}`, chosen at random", collection.name);
        }
        format!("collection `{}`, {enrolled} faces", collection.name)
    }

    /// Who was not searched for, and what is only supposed of the others.
    fn who_was_left_out(&self) -> String {
        let Some((_, known)) = self.collection else { return String::new() };
        let LeftOut { by_user, by_external_image_id, by_picture } = known.left_out;
        let set = &self.measured.set.name;
        let by = format!(
            "({} by their user, {} by an external image id, {} by the same picture)",
            words::count(by_user),
            words::count(by_external_image_id),
            words::count(by_picture)
        );
        let left_out = match known.people.len() {
            0 => format!("Nobody of {set} is known to be enrolled there"),
            1 => format!("1 person of {set} is enrolled there and was not searched for {by}"),
            people => {
                let people = words::count(people as u64);
                format!("{people} people of {set} are enrolled there and were not searched for {by}")
            }
        };
        format!(
            " {left_out}; whoever is enrolled there under another name, with another picture, counts as taken for somebody else."
        )
    }

    /// The answer where there is nobody to search for.
    fn impossible(&self) -> Congress {
        let people = self.measured.counts().0;
        let paragraph = match self.collection {
            Some((collection, _)) if people > 0 => format!(
                "This test cannot be made: all people of {} with a usable picture ({}) are enrolled in collection `{}`, so nobody is left who is not.",
                self.measured.set.name,
                words::count(people),
                collection.name
            ),
            _ => format!(
                "This test cannot be made: it needs people with a usable picture to search for and others to search among, and {} has {}.",
                self.measured.set.name,
                words::count(people)
            ),
        };
        Congress { paragraph, ..self.blank() }
    }

    /// What does not depend on the outcome.
    fn blank(&self) -> Congress {
        Congress {
            preset: self.shape.name.to_owned(),
            published: self.shape.published.to_owned(),
            gallery_wanted: self.shape.gallery as u64,
            gallery: 0,
            gallery_source: String::new(),
            similarity: self.shape.similarity,
            list_length: self.shape.list,
            outcome: Rate::counted(0, 0).into(),
            over_draws: Vec::new(),
            left_out: self.collection.map(|(_, known)| known.left_out),
            taken_for: Vec::new(),
            paragraph: String::new(),
        }
    }

    /// The answer that a judge can read.
    fn paragraph(&self, source: &str, outcome: &Figure, over_draws: &[u64], gallery: u64) -> String {
        let (shape, network) = (&self.shape, &self.measured.calibration.model_id);
        let searches = match outcome.trials {
            1 => "1 person who is not enrolled was searched for".to_owned(),
            many => format!("{} people who are not enrolled were searched for", words::count(many)),
        };
        let Some(percent) = shape.similarity else {
            return format!(
                "{searches} among {source} with network {network}, without a threshold. Each search returned {} people, and every one of them was somebody else: of 1,000 searches of people who are not enrolled, expect 1,000 to return somebody else. A list without a threshold never says that somebody is not there; whoever reads it decides.{}",
                shape.list.min(gallery),
                self.who_was_left_out()
            );
        };
        let mut text = format!(
            "{searches} among {source} at similarity {percent}, with network {network}. {} of them were taken for somebody else. ",
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
            text.push_str(&format!(
                " Over {} random choices of the people, it was {least} to {most}.",
                over_draws.len()
            ));
        }
        text.push_str(&self.who_was_left_out());
        match self.at_full(gallery) {
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

    /// What the calibration expects of a gallery as large as the published one, where that was larger; `None` inside
    /// where it says nothing.
    fn at_full(&self, gallery: u64) -> Option<Option<[f64; 3]>> {
        let larger = self.shape.similarity.is_some() && gallery < self.shape.gallery as u64;
        larger.then(|| expected(&self.measured.calibration, self.cosine, self.shape.gallery as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::cache::Seen;
    use super::super::data_set::{DataSet, Labelled};
    use super::super::embed::Sample;
    use super::*;
    use crate::gallery::similarity::Calibration;
    use crate::vision::{Embedding, ModelId};

    fn vector(draw: &mut Draw) -> Vec<f32> {
        let raw: Vec<f32> = (0..8).map(|_| draw.unit() as f32 - 0.5).collect();
        Embedding::normalised(ModelId::new("toy"), &raw).unwrap().vector().to_vec()
    }

    fn set(people: usize) -> (DataSet, Vec<Sample>) {
        let mut draw = Draw::seeded(1);
        let picture = |person: usize| Labelled {
            file: format!("{person}.jpg").into(),
            name: format!("{person}.jpg"),
            person: person as u32,
            groups: Vec::new(),
        };
        let sample = |person: usize, draw: &mut Draw| Sample {
            hash: Some([person as u8; 32]),
            seen: Ok(Seen::Face { vector: vector(draw), measures: [0.0; 4] }),
        };
        let names = (0..people).map(|person| format!("person{person:02}")).collect();
        let pictures = (0..people).map(picture).collect();
        let samples = (0..people).map(|person| sample(person, &mut draw)).collect();
        (DataSet { name: "toys".to_owned(), people: names, pictures, ..DataSet::default() }, samples)
    }

    fn collection(faces: u128) -> Collection {
        let mut draw = Draw::seeded(2);
        let face = |n: u128| EnrolledFace {
            id: FaceId(uuid::Uuid::from_u128(n)),
            image: ImageId(uuid::Uuid::from_u128(n)),
            external: None,
            user: None,
        };
        Collection {
            name: "crew".to_owned(),
            vectors: (0..faces).flat_map(|_| vector(&mut draw)).collect(),
            faces: (0..faces).map(face).collect(),
        }
    }

    #[test]
    fn a_collection_larger_than_the_test_is_drawn_from() {
        let (set, samples) = set(9);
        let calibration = Arc::new(Calibration::none(ModelId::new("toy")));
        let measured = Measured::new(&set, &samples, 8, calibration, 1);
        let mut collection = collection(50);
        collection.faces[7].user = UserId::parse("person03");
        collection.faces[8].image = image_id_of_hash(&[5; 32]);
        let known = Known::of(&collection, &measured);
        assert_eq!(known.people, HashSet::from([3, 5]));
        let shape = Shape { gallery: 20, probes: 4, similarity: Some(60.0), ..Preset::Congress2018.shape() };
        let test = Test { cosine: 0.2, shape, measured: &measured, collection: Some((&collection, &known)) };
        let searched = test.search(1).unwrap();
        let places: BTreeSet<u32> = searched.gallery.places.iter().copied().collect();
        assert_eq!((places.len(), searched.probes.len()), (20, 4));
        assert!(searched.probes.iter().all(|probe| ![3, 5].contains(probe)));
        for (row, &place) in searched.gallery.vectors.chunks(8).zip(&searched.gallery.places) {
            assert_eq!(row, &collection.vectors[8 * place as usize..][..8]);
        }
        assert_eq!(test.source(&searched), "20 of the 50 faces of collection `crew`, chosen at random");
        assert_ne!(test.search(2).unwrap().gallery.places, searched.gallery.places);
        let taken = test.taken_for(&searched);
        assert_eq!(taken.len() as u64, fpir(&searched.found, 0.2).errors);
        assert!(taken.windows(2).all(|pair| pair[0].cosine >= pair[1].cosine) && !taken.is_empty());
    }

    #[test]
    fn without_a_collection_the_set_is_its_own_gallery_and_one_person_is_too_few() {
        let run_on = |people: usize| {
            let (set, samples) = set(people);
            let calibration = Arc::new(Calibration::none(ModelId::new("toy")));
            let measured = Measured::new(&set, &samples, 8, calibration, 1);
            run(Preset::SheriffTop5, &measured, None, Searching { seed: 1, draws: 2, probes: 1 })
        };
        let found = run_on(3);
        assert_eq!((found.gallery, found.left_out, found.taken_for.len()), (1, None, 2));
        assert!(found.paragraph.contains("Each search returned 1 people"), "{}", found.paragraph);
        for people in [0, 1] {
            let found = run_on(people);
            assert!(found.paragraph.starts_with("This test cannot be made: it needs people"), "{}", found.paragraph);
            assert_eq!((found.outcome.value, found.over_draws.len()), (None, 0));
        }
    }
}
