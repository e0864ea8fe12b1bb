//! Every operation from picture bytes to the data directory, with the real networks.
//!
//! NASA's portrait is always there; what needs two people is tested on LFW where this machine has it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use trombi::gallery::expectation::{Expectation, Fpir};
use trombi::gallery::{CollectionId, ExternalImageId, FaceId, UserId};
use trombi::operations::types::{FaceRefusal, ImageSource, QualityFilter, Reason, Tags, UserStatus};
use trombi::operations::{
    OperationError, Oversight, Request, Response, Service, Settings, associate_faces, compare_faces, create_collection,
    create_user, delete_collection, delete_faces, delete_user, describe_collection, detect_faces, disassociate_faces,
    index_faces, list_collections, list_faces, list_tags_for_resource, list_users, search_faces, search_faces_by_image,
    search_users, search_users_by_image, tag_resource, untag_resource,
};
use trombi::policy::Principal;
use trombi::store::Store;
use trombi::store::buckets::{BucketSource, Buckets};
use trombi::vision::Vision;

use crate::support::clients::clients;
use crate::support::pictures::{self, Rgb};
use crate::support::{installed, shared, skipped};

/// One service for all tests of a process; each test has a collection of its own.
struct House {
    service: Service,
    buckets: PathBuf,
    _dir: tempfile::TempDir,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let installed = installed();
        let vision = Vision::open(&installed.vision_options(2, 1000));
        let dir = tempfile::tempdir().unwrap();
        let buckets = dir.path().join("buckets");
        std::fs::create_dir(&buckets).unwrap();
        let source = Buckets::open(BucketSource::Folder(buckets.clone())).unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let settings = Settings {
            model_version: installed.model_version,
            calibrations: installed.calibrations,
            ..Settings::default()
        };
        let oversight = Oversight::personal(&dir.path().join("ledger")).unwrap();
        let service = Service::new(Box::new(vision.unwrap()), store, source, settings, oversight).unwrap();
        House { service, buckets, _dir: dir }
    })
}

/// `ask!(DetectFaces(detect_faces::Input { .. }))` is its output, or panics with the error.
macro_rules! ask {
    ($operation:ident($input:expr)) => {
        match refused_or(Request::$operation($input)).unwrap() {
            Response::$operation(output) => output,
            other => panic!("{other:?}"),
        }
    };
}

fn refused_or(request: Request) -> Result<Response, OperationError> {
    house().service.execute(&Principal::Local, request)
}

fn id(name: &str) -> CollectionId {
    CollectionId::parse(name).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A new collection.
fn collection(name: &str) -> CollectionId {
    ask!(CreateCollection(create_collection::Input { collection_id: id(name), tags: Tags::new() }));
    id(name)
}

fn portrait() -> Rgb {
    pictures::read_png(&clients().portrait_png)
}

fn bytes(picture: &Rgb) -> ImageSource {
    ImageSource::Bytes(pictures::encode_png(picture))
}

fn index(collection_id: &CollectionId, image: ImageSource, name: &str) -> index_faces::Output {
    ask!(IndexFaces(index_faces::Input {
        collection_id: collection_id.clone(),
        image,
        external_image_id: ExternalImageId::parse(name),
        faces_max: None,
        quality_filter: QualityFilter::Auto,
    }))
}

fn only_face(output: &index_faces::Output) -> FaceId {
    assert_eq!(output.records.len(), 1, "{:?}", output.unindexed);
    output.records[0].0.face_id
}

fn search_by_image(collection_id: &CollectionId, image: ImageSource, threshold: f32) -> search_faces_by_image::Output {
    ask!(SearchFacesByImage(search_faces_by_image::Input {
        collection_id: collection_id.clone(),
        image,
        faces_max: None,
        threshold: Some(threshold),
        quality_filter: QualityFilter::None,
    }))
}

fn compare(source: ImageSource, target: ImageSource, threshold: f32) -> compare_faces::Output {
    ask!(CompareFaces(compare_faces::Input {
        source,
        target,
        threshold: Some(threshold),
        quality_filter: QualityFilter::None,
    }))
}

/// `columns` x `rows` small copies of the portrait's face, 96 px each.
fn mosaic(columns: usize, rows: usize) -> Rgb {
    const TILE: usize = 96;
    let face = pictures::cropped(&portrait(), 128, 24, 2 * TILE, 2 * TILE);
    let mean = |x: usize, y: usize, channel: usize| {
        let four = [(0, 0), (1, 0), (0, 1), (1, 1)];
        let sum: u32 =
            four.iter().map(|(dx, dy)| u32::from(pictures::at(&face, 2 * x + dx, 2 * y + dy)[channel])).sum();
        u8::try_from(sum / 4).unwrap()
    };
    let (width, height) = (columns * TILE, rows * TILE);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x % TILE, y % TILE)));
    Rgb { width, height, pixels: places.flat_map(|(x, y)| [0, 1, 2].map(|channel| mean(x, y, channel))).collect() }
}

#[test]
fn one_face_lives_through_index_search_list_and_delete() {
    let crew = collection("crew");
    let first = index(&crew, bytes(&portrait()), "portrait");
    let face_id = only_face(&first);
    assert_eq!(index(&crew, bytes(&portrait()), "portrait").records, first.records);
    let darker = only_face(&index(&crew, bytes(&pictures::darker(&portrait())), "darker"));
    let search = search_faces::Input { collection_id: crew.clone(), face_id, faces_max: None, threshold: Some(90.0) };
    let found = ask!(SearchFaces(search.clone()));
    assert_eq!(found.matches.iter().map(|found| found.face.face_id).collect::<Vec<_>>(), [darker]);
    let by_image = search_by_image(&crew, bytes(&pictures::mirrored(&portrait())), 90.0);
    assert_eq!(by_image.matches.len(), 2);
    // Two enrolled faces at FMR 1e-5; a search by an enrolled face compares it with the other one only.
    let fpir = |expected: &Expectation| match expected.fpir {
        Fpir::Known { rate, .. } => rate,
        Fpir::Unknown(why) => panic!("{why:?}"),
    };
    assert_eq!((by_image.expected.enrolled, found.expected.enrolled), (2, 1));
    assert!((fpir(&by_image.expected) / 2e-5 - 1.0).abs() < 0.1, "{:?}", by_image.expected);
    assert!(by_image.matches[0].similarity >= by_image.matches[1].similarity);
    assert!(by_image.searched_confidence > 80.0 && by_image.searched_box.width < 0.5);
    let itself = search_by_image(&crew, bytes(&portrait()), 99.9);
    assert_eq!(itself.matches[0].face.face_id, face_id);
    assert_eq!(itself.matches[0].face.external_image_id, ExternalImageId::parse("portrait"));
    let describe = describe_collection::Input { collection_id: crew.clone() };
    assert_eq!(ask!(DescribeCollection(describe.clone())).face_count, 2);
    let unknown = FaceId(uuid::Uuid::from_u128(1));
    let deleted =
        ask!(DeleteFaces(delete_faces::Input { collection_id: crew.clone(), face_ids: vec![face_id, unknown] }));
    assert_eq!(deleted.deleted, [face_id]);
    assert_eq!(deleted.refused[0].reasons, [FaceRefusal::FaceNotFound]);
    assert!(matches!(refused_or(Request::SearchFaces(search)), Err(OperationError::FaceNotFound(_))));
    assert_eq!(search_by_image(&crew, bytes(&portrait()), 0.0).matches.len(), 1);
    ask!(DeleteCollection(delete_collection::Input { collection_id: crew.clone() }));
    let gone = refused_or(Request::DescribeCollection(describe));
    assert!(matches!(gone, Err(OperationError::CollectionNotFound(name)) if name == "crew"));
}

#[test]
fn comparing_gives_the_face_of_the_same_person_and_lists_the_threshold() {
    let (portrait, mirrored) = (portrait(), pictures::mirrored(&portrait()));
    let same = compare(bytes(&portrait), bytes(&mirrored), 80.0);
    assert_eq!((same.matches.len(), same.unmatched.len()), (1, 0));
    let there = same.matches[0].0;
    let back = compare(bytes(&mirrored), bytes(&portrait), 0.0).matches[0].0;
    assert!((there - back).abs() < 0.01, "{there} {back}");
    let strict = compare(bytes(&portrait), bytes(&mirrored), 100.0);
    assert_eq!((strict.matches.len(), strict.unmatched.len()), (0, 1));
    let identical = compare(bytes(&portrait), bytes(&portrait), 99.9);
    assert_eq!(identical.matches.len(), 1);
}

#[test]
fn a_picture_of_nobody_is_answered_as_aws_does() {
    let empty = collection("nobody");
    let nobody = || bytes(&pictures::nobody(256));
    assert!(ask!(DetectFaces(detect_faces::Input { image: nobody() })).faces.is_empty());
    let indexed = index(&empty, nobody(), "nobody");
    assert!(indexed.records.is_empty() && indexed.unindexed.is_empty());
    let search = Request::SearchFacesByImage(search_faces_by_image::Input {
        collection_id: empty.clone(),
        image: nobody(),
        faces_max: None,
        threshold: None,
        quality_filter: QualityFilter::None,
    });
    assert_eq!(refused_or(search), Err(OperationError::NoFace));
    for (source, target) in [(nobody(), bytes(&portrait())), (bytes(&portrait()), nobody())] {
        let input = compare_faces::Input { source, target, threshold: None, quality_filter: QualityFilter::None };
        let answer = refused_or(Request::CompareFaces(input));
        assert!(matches!(answer, Err(OperationError::InvalidParameter(_))), "{answer:?}");
    }
    let text = detect_faces::Input { image: ImageSource::Bytes(b"no picture at all, and long enough".to_vec()) };
    assert!(matches!(refused_or(Request::DetectFaces(text)), Err(OperationError::InvalidImageFormat(_))));
}

#[test]
fn users_gather_faces_and_are_found() {
    let crew = collection("users");
    let faces = [
        only_face(&index(&crew, bytes(&portrait()), "portrait")),
        only_face(&index(&crew, bytes(&pictures::darker(&portrait())), "darker")),
    ];
    for name in ["eileen", "nobody"] {
        ask!(CreateUser(create_user::Input { collection_id: crew.clone(), user_id: user(name), token: None }));
    }
    let again = create_user::Input { collection_id: crew.clone(), user_id: user("eileen"), token: None };
    assert!(matches!(refused_or(Request::CreateUser(again)), Err(OperationError::UserExists(_))));
    let associated = ask!(AssociateFaces(associate_faces::Input {
        collection_id: crew.clone(),
        user_id: user("eileen"),
        face_ids: faces.to_vec(),
        threshold: None,
        token: None,
    }));
    assert_eq!((&associated.associated[..], associated.status), (&faces[..], UserStatus::Active));
    let list = list_users::Input { collection_id: crew.clone(), next_token: None, limit: Some(1) };
    let first = ask!(ListUsers(list.clone()));
    let second = ask!(ListUsers(list_users::Input { next_token: first.next_token, ..list }));
    assert_eq!(second.next_token, None);
    let users: Vec<_> = first.users.into_iter().chain(second.users).map(|one| (one.user_id, one.status)).collect();
    assert_eq!(users, [(user("eileen"), UserStatus::Active), (user("nobody"), UserStatus::Created)]);
    let search = |probe| search_users::Input { collection_id: crew.clone(), probe, users_max: None, threshold: None };
    let of_face = ask!(SearchUsers(search(search_users::Probe::Face(faces[0]))));
    assert_eq!(of_face.matches[0].user.user_id, user("eileen"));
    assert!(ask!(SearchUsers(search(search_users::Probe::User(user("eileen"))))).matches.is_empty());
    let by_image = ask!(SearchUsersByImage(search_users_by_image::Input {
        collection_id: crew.clone(),
        image: bytes(&pictures::mirrored(&portrait())),
        users_max: Some(1),
        threshold: Some(80.0),
        quality_filter: QualityFilter::Auto,
    }));
    assert_eq!(by_image.matches.len(), 1);
    assert!(by_image.searched.is_some() && by_image.unsearched.is_empty());
    let kept = ask!(DeleteFaces(delete_faces::Input { collection_id: crew.clone(), face_ids: vec![faces[0]] }));
    assert_eq!(kept.refused[0].reasons, [FaceRefusal::AssociatedToAnExistingUser]);
    let freed = ask!(DisassociateFaces(disassociate_faces::Input {
        collection_id: crew.clone(),
        user_id: user("eileen"),
        face_ids: vec![faces[0]],
        token: None,
    }));
    assert_eq!((freed.disassociated, freed.status), (vec![faces[0]], UserStatus::Active));
    ask!(DeleteUser(delete_user::Input { collection_id: crew.clone(), user_id: user("eileen"), token: None }));
    let listed = ask!(ListFaces(list_faces::Input {
        collection_id: crew.clone(),
        next_token: None,
        limit: None,
        user_id: None,
        face_ids: Vec::new(),
    }));
    assert!(listed.faces.len() == 2 && listed.faces.iter().all(|face| face.user_id.is_none()));
    assert!(ask!(SearchUsers(search(search_users::Probe::Face(faces[0])))).matches.is_empty());
}

#[test]
fn tags_are_set_listed_and_removed() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let created = ask!(CreateCollection(create_collection::Input {
        collection_id: id("tagged"),
        tags: Tags::from([pair("team", "crew")]),
    }));
    let resource_arn = created.collection_arn;
    let tags = Tags::from([pair("team", "ground"), pair("empty", "")]);
    ask!(TagResource(tag_resource::Input { resource_arn: resource_arn.clone(), tags: tags.clone() }));
    let list = list_tags_for_resource::Input { resource_arn: resource_arn.clone() };
    assert_eq!(ask!(ListTagsForResource(list.clone())).tags, tags);
    ask!(UntagResource(untag_resource::Input { resource_arn, keys: vec!["empty".to_owned()] }));
    assert_eq!(ask!(ListTagsForResource(list)).tags, Tags::from([pair("team", "ground")]));
    let other = list_tags_for_resource::Input {
        resource_arn: "arn:aws:rekognition:us-east-1:000000000000:collection/none".to_owned(),
    };
    assert!(matches!(refused_or(Request::ListTagsForResource(other)), Err(OperationError::ResourceNotFound(_))));
}

#[test]
fn collections_are_paged_by_name() {
    let names: BTreeSet<_> = (0..7).map(|n| collection(&format!("paged-{n}"))).collect();
    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let page = ask!(ListCollections(list_collections::Input { next_token, limit: Some(3) }));
        assert!(page.collections.len() <= 3);
        seen.extend(page.collections.into_iter().map(|(name, _)| name));
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    // Other tests make collections meanwhile.
    assert!(seen.is_sorted() && names.iter().all(|name| seen.contains(name)));
}

#[test]
fn pictures_are_read_from_a_bucket_folder() {
    let folder = house().buckets.join("photos/crew");
    std::fs::create_dir_all(&folder).unwrap();
    pictures::write_png(&folder.join("portrait.png"), &portrait());
    let object =
        |bucket: &str, key: &str| ImageSource::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: None };
    let collection_id = collection("bucket");
    let from_bucket = index(&collection_id, object("photos", "crew/portrait.png"), "one");
    // The picture's id comes from its bytes, wherever they were.
    let from_bytes = index(&collection_id, bytes(&portrait()), "one");
    assert_eq!(from_bucket.records, from_bytes.records);
    for image in [object("photos", "crew/none.png"), object("none", "crew/portrait.png"), object("photos", "../x")] {
        assert_eq!(
            refused_or(Request::DetectFaces(detect_faces::Input { image })),
            Err(OperationError::InvalidS3Object)
        );
    }
}

#[test]
fn of_120_faces_the_100_largest_are_reported_and_indexed() {
    let mosaic = mosaic(12, 10);
    let detected = ask!(DetectFaces(detect_faces::Input { image: bytes(&mosaic) })).faces;
    assert_eq!(detected.len(), 100);
    let area = |face: &trombi::operations::types::FaceDetail| face.box_ratio.width * face.box_ratio.height;
    assert!(detected.windows(2).all(|pair| area(&pair[0]) >= area(&pair[1])));
    let output = index(&collection("mosaic"), bytes(&mosaic), "mosaic");
    assert_eq!(output.records.len() + output.unindexed.len(), 100);
    let ids: BTreeSet<_> = output.records.iter().map(|(record, _)| record.face_id).collect();
    assert_eq!(ids.len(), output.records.len());
    assert!(ids.len() > 90, "{:?}", output.unindexed.iter().map(|face| &face.reasons).collect::<Vec<_>>());
}

#[test]
fn max_faces_keeps_the_largest_and_names_the_reason() {
    let collection_id = collection("max-faces");
    let input = index_faces::Input {
        collection_id: collection_id.clone(),
        image: bytes(&mosaic(3, 2)),
        external_image_id: None,
        faces_max: Some(2),
        quality_filter: QualityFilter::None,
    };
    let output = ask!(IndexFaces(input.clone()));
    assert_eq!((output.records.len(), output.unindexed.len()), (2, 4));
    assert!(output.unindexed.iter().all(|face| face.reasons == [Reason::ExceedsMaxFaces]));
    let none = index_faces::Input { faces_max: Some(0), ..input };
    assert!(matches!(refused_or(Request::IndexFaces(none)), Err(OperationError::InvalidParameter(_))));
}

#[test]
fn the_quality_filter_refuses_small_and_dark_faces() {
    let collection_id = collection("quality");
    let refused = |picture: &Rgb, quality_filter: QualityFilter| {
        let output = ask!(IndexFaces(index_faces::Input {
            collection_id: collection_id.clone(),
            image: bytes(picture),
            external_image_id: None,
            faces_max: Some(1),
            quality_filter,
        }));
        let reasons = output.unindexed.iter().flat_map(|face| face.reasons.clone()).collect::<Vec<_>>();
        assert_eq!(output.records.len() + output.unindexed.len(), 1, "{reasons:?}");
        reasons
    };
    let portrait = portrait();
    for filter in [QualityFilter::None, QualityFilter::Low, QualityFilter::Auto, QualityFilter::Medium] {
        assert_eq!(refused(&portrait, filter), [], "{filter:?}");
    }
    let small = mosaic(1, 1);
    assert_eq!(refused(&small, QualityFilter::Auto), []);
    assert!(refused(&small, QualityFilter::High).contains(&Reason::SmallBoundingBox));
    let dark = Rgb { pixels: portrait.pixels.iter().map(|value| value / 10).collect(), ..portrait };
    assert!(refused(&dark, QualityFilter::Auto).contains(&Reason::LowBrightness));
    assert_eq!(refused(&dark, QualityFilter::None), []);
}

/// Picture files of one LFW folder, in order; empty with the loud line where LFW is missing.
fn lfw(picture: &str) -> Vec<PathBuf> {
    let Some(folder) = shared().map(|dir| dir.join("datasets/lfw")).filter(|dir| dir.is_dir()) else {
        skipped("LFW");
        return Vec::new();
    };
    let mut people: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    people.sort();
    let file = |person: PathBuf| person.join(format!("{}_{picture}.jpg", person.file_name().unwrap().display()));
    people.into_iter().map(file).filter(|file| file.is_file()).collect()
}

fn read(file: &PathBuf) -> ImageSource {
    ImageSource::Bytes(std::fs::read(file).unwrap())
}

#[test]
fn people_are_found_by_another_picture_and_strangers_are_not() {
    let others = lfw("0002");
    let pairs: Vec<_> = others
        .iter()
        .take(20)
        .map(|second| (PathBuf::from(second.to_str().unwrap().replace("_0002.jpg", "_0001.jpg")), second))
        .collect();
    if pairs.is_empty() {
        return;
    }
    let collection_id = collection("people");
    for (n, (first, _)) in pairs.iter().enumerate() {
        index(&collection_id, read(first), &n.to_string());
    }
    let (mut first_ranks, mut found, mut strangers) = (0, 0, 0);
    for (n, (_, second)) in pairs.iter().enumerate() {
        let own = ExternalImageId::parse(&n.to_string());
        let ranked = search_by_image(&collection_id, read(second), 0.0).matches;
        first_ranks += usize::from(ranked[0].face.external_image_id == own);
        let above = ranked.iter().filter(|one| one.similarity >= 80.0);
        let (mated, other): (Vec<_>, Vec<_>) = above.partition(|one| one.face.external_image_id == own);
        found += usize::from(!mated.is_empty());
        strangers += other.len();
    }
    println!("{} people: {first_ranks} at rank 1, {found} at 80 %, {strangers} strangers at 80 %", pairs.len());
    assert!(first_ranks >= pairs.len() - 2 && found >= pairs.len() - 4 && strangers <= 2);
    let (same, other) = (&pairs[0], &pairs[1]);
    let similarity = |target| compare(read(&same.0), read(target), 0.0).matches[0].0;
    assert!(similarity(same.1) > similarity(other.1));
}

#[test]
#[ignore = "a measurement on 300 pictures of LFW: run with --ignored --nocapture"]
fn auto_refuses_few_of_the_largest_faces_of_lfw() {
    const SAMPLE: usize = 300;
    let files = lfw("0001");
    if files.is_empty() {
        return;
    }
    let collection_id = collection("lfw");
    for filter in [QualityFilter::Low, QualityFilter::Auto, QualityFilter::Medium, QualityFilter::High] {
        let mut refused = Vec::new();
        for file in files.iter().step_by(files.len() / SAMPLE).take(SAMPLE) {
            let output = ask!(SearchUsersByImage(search_users_by_image::Input {
                collection_id: collection_id.clone(),
                image: read(file),
                users_max: None,
                threshold: None,
                quality_filter: filter,
            }));
            let area = |width: f32, height: f32| width * height;
            let searched = output.searched.map_or(0.0, |face| area(face.box_ratio.width, face.box_ratio.height));
            // The largest face of the picture was not searched when a larger one was refused.
            let larger = output
                .unsearched
                .into_iter()
                .find(|face| area(face.detail.box_ratio.width, face.detail.box_ratio.height) > searched);
            refused.extend(
                larger.map(|face| (face.reasons, face.detail.confidence, face.detail.quality, face.detail.pose)),
            );
        }
        println!("{filter:?}: {} of {SAMPLE} refused", refused.len());
        refused.iter().take(12).for_each(|face| println!("  {face:?}"));
        if filter == QualityFilter::Auto {
            assert!(refused.len() * 100 < SAMPLE, "AUTO refuses 1 % or more");
        }
    }
}
