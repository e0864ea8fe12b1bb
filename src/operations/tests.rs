//! The operations over a real store, with made-up eyes: a picture is a list of bytes, one face for each.

use super::types::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::gallery::ExternalImageId;
use crate::policy::Outcome;
use crate::store::buckets::BucketSource;
use crate::vision::decode::Window;
use crate::vision::{
    AlignedFace, BoxPx, Detection, Face, Image, Landmarks, ModelId, PointPx, Pose, Quality, Scene, VisionError, align,
};

const SIDE: u32 = 16;
const PANIC: u8 = 255;

/// Byte 255 panics; any other byte is a face of the person of that number; later faces are smaller.
struct MadeUp(ModelId);

fn landmarks() -> Landmarks {
    let points = [(4.0, 5.0), (11.0, 5.0), (8.0, 8.0), (5.0, 12.0), (10.0, 12.0)];
    Landmarks::from_points(points.map(|(x, y)| PointPx { x, y }))
}

fn aligned(person: u8) -> AlignedFace {
    let image = Image::from_rgb(SIDE, SIDE, vec![person; (SIDE * SIDE * 3) as usize]).unwrap();
    let window = Window { image, left_px: 0, top_px: 0, scale: 1 };
    align::align(&window, &landmarks(), &landmarks().points(), SIDE).unwrap()
}

impl Eyes for MadeUp {
    fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError> {
        assert!(!bytes.contains(&PANIC), "made-up panic");
        let face = |(place, &person): (usize, &u8)| Face {
            detection: Detection {
                box_px: BoxPx { left: 0.0, top: 0.0, width: 200.0 - place as f32, height: 200.0 - place as f32 },
                landmarks: landmarks(),
                eye_corners: None,
                confidence: 0.99,
            },
            pose: Pose::default(),
            quality: Quality { brightness: 60.0, sharpness: 60.0 },
            aligned: Some(aligned(person)),
        };
        Ok(Scene { width_px: 400, height_px: 400, faces: bytes.iter().enumerate().map(face).collect() })
    }

    fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        let embed = |face: &&AlignedFace| {
            let person = face.rgb()[(SIDE * SIDE / 2 * 3) as usize];
            let mut raw = [0.0; 256];
            raw[usize::from(person)] = 1.0;
            Embedding::normalised(self.0.clone(), &raw).unwrap()
        };
        Ok(faces.iter().map(embed).collect())
    }

    fn model_id(&self) -> &ModelId {
        &self.0
    }

    fn dimensions(&self) -> usize {
        256
    }
}

struct House {
    service: Service,
    dir: tempfile::TempDir,
}

fn open(dir: &Path) -> Service {
    let store = Store::open(dir).unwrap();
    let buckets = Buckets::open(BucketSource::Folder(dir.join("buckets"))).unwrap();
    let eyes = Box::new(MadeUp(ModelId::new("made-up")));
    let oversight = Oversight::personal(&dir.join("ledger")).unwrap();
    Service::new(eyes, store, buckets, Settings::default(), oversight).unwrap()
}

fn staff() -> CollectionId {
    CollectionId::parse("staff").unwrap()
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let house = House { service: open(dir.path()), dir };
    let input = create_collection::Input { collection_id: staff(), tags: Tags::new() };
    house.ask(Request::CreateCollection(input)).unwrap();
    house
}

impl House {
    fn ask(&self, request: Request) -> Result<Response, OperationError> {
        self.service.execute(&Principal::Local, request)
    }

    fn index(&self, picture: &[u8], external: Option<&str>, faces_max: Option<usize>) -> index_faces::Output {
        let input = index_faces::Input {
            collection_id: staff(),
            image: ImageSource::Bytes(picture.to_vec()),
            external_image_id: external.map(|name| ExternalImageId::parse(name).unwrap()),
            faces_max,
            quality_filter: QualityFilter::Auto,
        };
        let Response::IndexFaces(output) = self.ask(Request::IndexFaces(input)).unwrap() else { panic!() };
        output
    }

    fn ids(&self, picture: &[u8]) -> Vec<FaceId> {
        self.index(picture, None, None).records.iter().map(|(record, _)| record.face_id).collect()
    }

    fn search(&self, face_id: FaceId) -> Result<Vec<FaceId>, OperationError> {
        let input = search_faces::Input { collection_id: staff(), face_id, faces_max: None, threshold: None };
        let Response::SearchFaces(output) = self.ask(Request::SearchFaces(input))? else { panic!() };
        Ok(output.matches.iter().map(|found| found.face.face_id).collect())
    }

    fn delete(&self, face_ids: Vec<FaceId>) -> delete_faces::Output {
        let input = delete_faces::Input { collection_id: staff(), face_ids };
        let Response::DeleteFaces(output) = self.ask(Request::DeleteFaces(input)).unwrap() else { panic!() };
        output
    }

    fn create_user(&self, user: &str, token: Option<&str>) -> Result<Response, OperationError> {
        let user_id = UserId::parse(user).unwrap();
        let token = token.map(str::to_owned);
        self.ask(Request::CreateUser(create_user::Input { collection_id: staff(), user_id, token }))
    }

    fn associate(&self, user: &str, face_ids: Vec<FaceId>) -> Result<associate_faces::Output, OperationError> {
        let user_id = UserId::parse(user).unwrap();
        let input = associate_faces::Input { collection_id: staff(), user_id, face_ids, threshold: None, token: None };
        let Response::AssociateFaces(output) = self.ask(Request::AssociateFaces(input))? else { panic!() };
        Ok(output)
    }
}

#[test]
fn indexing_the_same_picture_again_stores_nothing_new() {
    let house = house();
    let first = house.index(&[1, 2], Some("a"), None);
    assert_eq!(house.index(&[1, 2], Some("a"), None).records, first.records);
    assert_eq!(house.service.face_count(), 2);
    let other = house.index(&[1, 2], Some("b"), None);
    assert_ne!(other.records[0].0.face_id, first.records[0].0.face_id);
    assert_eq!(other.records[0].0.image_id, first.records[0].0.image_id);
    assert_eq!(house.service.face_count(), 4);
}

#[test]
fn faces_over_the_maximum_are_listed_as_unindexed() {
    let output = house().index(&[1, 2, 3], None, Some(1));
    assert_eq!(output.records.len(), 1);
    assert!(output.unindexed.iter().all(|face| face.reasons == [Reason::ExceedsMaxFaces]));
    assert_eq!(output.unindexed.len(), 2);
}

#[test]
fn a_picture_without_faces_is_answered_with_empty_lists() {
    let output = house().index(&[], None, None);
    assert!(output.records.is_empty() && output.unindexed.is_empty());
}

#[test]
fn a_search_finds_others_of_the_person_and_not_the_face_itself() {
    let house = house();
    let (one, two) = (house.ids(&[1]), house.ids(&[1, 2]));
    assert_eq!(house.search(one[0]).unwrap(), [two[0]]);
    house.delete(vec![two[0]]);
    assert!(house.search(one[0]).unwrap().is_empty());
    assert!(matches!(house.search(two[0]), Err(OperationError::FaceNotFound(_))));
}

#[test]
fn faces_of_a_user_are_not_deleted_and_survive_a_restart() {
    let house = house();
    let ids = house.ids(&[1, 2]);
    house.create_user("ann", None).unwrap();
    assert_eq!(house.associate("ann", vec![ids[0]]).unwrap().associated, [ids[0]]);
    let refused = house.associate("ann", vec![ids[1]]).unwrap().refused;
    assert_eq!(refused[0].reasons, [FaceRefusal::LowMatchConfidence]);
    assert!(refused[0].confidence.is_some());
    assert_eq!(house.delete(vec![ids[0]]).refused[0].reasons, [FaceRefusal::AssociatedToAnExistingUser]);
    let House { service, dir } = house;
    drop(service);
    let house = House { service: open(dir.path()), dir };
    assert_eq!(house.service.face_count(), 2);
    assert_eq!(house.index(&[1, 2], None, None).records[0].0.user_id, UserId::parse("ann"));
}

#[test]
fn a_request_token_takes_effect_once() {
    let house = house();
    house.create_user("ann", Some("t")).unwrap();
    house.create_user("ann", Some("t")).unwrap();
    assert!(matches!(house.create_user("bob", Some("t")), Err(OperationError::IdempotentParameterMismatch(_))));
    assert!(matches!(house.create_user("ann", None), Err(OperationError::UserExists(_))));
}

#[test]
fn a_panic_is_an_internal_error_and_the_next_request_is_served() {
    let house = house();
    let input = detect_faces::Input { image: ImageSource::Bytes(vec![PANIC]) };
    assert!(matches!(house.ask(Request::DetectFaces(input)), Err(OperationError::Internal(_))));
    assert_eq!(house.service.meter().counts()[&("DetectFaces", Outcome::Failed)], 1);
    assert_eq!(house.ids(&[1]).len(), 1);
}

#[test]
fn pages_show_every_face_once_while_others_come_and_go() {
    let house = house();
    let ids = house.ids(&[1, 2, 3, 4, 5]);
    let (mut seen, mut next_token) = (Vec::new(), None);
    loop {
        let input = list_faces::Input {
            collection_id: staff(),
            next_token,
            limit: Some(2),
            user_id: None,
            face_ids: Vec::new(),
        };
        let Response::ListFaces(page) = house.ask(Request::ListFaces(input)).unwrap() else { panic!() };
        seen.extend(page.faces.iter().map(|face| face.face_id));
        if seen.len() == 2 {
            house.delete(vec![seen[1]]);
        }
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
}

#[test]
fn store_and_gallery_agree_after_eight_threads() {
    let house = house();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let house = &house;
            scope.spawn(move || {
                for round in 0..10_u8 {
                    let ids = house.ids(&[thread, round, 7]);
                    assert!(house.search(ids[2]).is_ok());
                    if round % 2 == 0 {
                        house.delete(ids[..2].to_vec());
                    }
                }
            });
        }
    });
    let shelf = house.service.shelf(&staff()).unwrap();
    let records = house.service.store.faces(&staff(), None, 4096, None).unwrap();
    assert_eq!(shelf.face_count(), records.len());
    let held = |face| shelf.read(&house.service.store, |gallery| gallery.embedding(face).unwrap().is_some()).unwrap();
    assert!(records.iter().all(|record| held(record.face_id)));
}

fn open_with(dir: &Path, model: &str) -> Service {
    let buckets = Buckets::open(BucketSource::Folder(dir.join("buckets"))).unwrap();
    let eyes = Box::new(MadeUp(ModelId::new(model)));
    let oversight = Oversight::personal(&dir.join("ledger")).unwrap();
    Service::new(eyes, Store::open(dir).unwrap(), buckets, Settings::default(), oversight).unwrap()
}

impl House {
    fn restarted(self) -> Self {
        let Self { service, dir } = self;
        drop(service);
        Self { service: open(dir.path()), dir }
    }

    fn page(&self, limit: usize, next_token: Option<String>) -> (Vec<FaceId>, Option<String>) {
        let input = list_faces::Input {
            collection_id: staff(),
            next_token,
            limit: Some(limit),
            user_id: None,
            face_ids: Vec::new(),
        };
        let Response::ListFaces(page) = self.ask(Request::ListFaces(input)).unwrap() else { panic!() };
        (page.faces.iter().map(|face| face.face_id).collect(), page.next_token)
    }

    fn tag(&self, numbers: std::ops::Range<usize>) -> Result<Response, OperationError> {
        let tags = numbers.map(|n| (format!("k{n}"), String::new())).collect();
        let resource_arn = arn::of(&Settings::default(), &staff());
        self.ask(Request::TagResource(tag_resource::Input { resource_arn, tags }))
    }

    fn user_count(&self) -> u64 {
        let input = describe_collection::Input { collection_id: staff() };
        let Response::DescribeCollection(output) = self.ask(Request::DescribeCollection(input)).unwrap() else {
            panic!()
        };
        output.user_count
    }
}

#[test]
fn two_threads_with_one_request_token_make_one_effect_and_get_one_answer() {
    let house = house();
    let ids = house.ids(&[1]);
    for round in 0..20 {
        let (user, token) = (format!("user{round}"), format!("t{round}"));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let create = || scope.spawn(|| house.create_user(&user, Some(&token)));
            let threads = [create(), create()];
            threads.map(|thread| thread.join().unwrap()).into()
        });
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(house.user_count(), round + 1);
    }
    let associate = || {
        house.ask(Request::AssociateFaces(associate_faces::Input {
            collection_id: staff(),
            user_id: UserId::parse("user0").unwrap(),
            face_ids: ids.clone(),
            threshold: None,
            token: Some("associate".to_owned()),
        }))
    };
    let answers: [_; 2] =
        std::thread::scope(|scope| [scope.spawn(associate), scope.spawn(associate)].map(|t| t.join().unwrap()));
    // Without the token the second would find the face with its user already and list it nowhere.
    let Ok(Response::AssociateFaces(first)) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(first.associated, ids);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_request_token_is_answered_the_same_after_a_restart() {
    let house = house();
    house.create_user("ann", Some("create")).unwrap();
    let house = house.restarted();
    assert!(house.create_user("ann", Some("create")).is_ok());
    let delete = |house: &House| {
        let (user_id, token) = (UserId::parse("ann").unwrap(), Some("delete".to_owned()));
        house.ask(Request::DeleteUser(delete_user::Input { collection_id: staff(), user_id, token }))
    };
    delete(&house).unwrap();
    let house = house.restarted();
    assert!(delete(&house).is_ok());
    assert_eq!(house.user_count(), 0);
}

#[test]
fn a_request_that_failed_leaves_its_token_free() {
    let house = house();
    house.create_user("ann", None).unwrap();
    assert!(matches!(house.create_user("ann", Some("t")), Err(OperationError::UserExists(_))));
    assert_eq!(house.service.store.token("t").unwrap(), None);
    assert!(house.create_user("bob", Some("t")).is_ok());
    assert!(house.service.store.token("t").unwrap().is_some());
}

#[test]
fn an_association_of_nothing_is_kept_for_its_token_too() {
    let house = house();
    house.create_user("ann", None).unwrap();
    let ids = house.ids(&[1]);
    house.delete(ids.clone());
    let associate = || {
        house.ask(Request::AssociateFaces(associate_faces::Input {
            collection_id: staff(),
            user_id: UserId::parse("ann").unwrap(),
            face_ids: ids.clone(),
            threshold: None,
            token: Some("t".to_owned()),
        }))
    };
    let first = associate().unwrap();
    house.ids(&[1]);
    assert_eq!(associate().unwrap(), first, "the face is back, the answer is that of the first time");
}

#[test]
fn a_panic_between_store_and_memory_is_mended_by_the_next_request() {
    let house = house();
    let one = house.ids(&[1]);
    let shelf = house.service.shelf(&staff()).unwrap();
    let store = &house.service.store;
    let face_id = FaceId(uuid::Uuid::from_u128(7));
    let record = FaceRecord { face_id, ..store.face(&staff(), one[0]).unwrap() };
    let embedding = house.service.enrolled(&shelf, one[0]).unwrap();
    let interrupted = catch_unwind(AssertUnwindSafe(|| {
        let _change = shelf.change(store).unwrap();
        store.put_faces(&staff(), &[(record, embedding)]).unwrap();
        panic!("made-up panic before memory knows");
    }));
    assert!(interrupted.is_err());
    assert_eq!(house.search(one[0]).unwrap(), [face_id]);
    assert_eq!(house.service.face_count(), 2);
    house.delete(vec![face_id]);
    assert!(house.search(one[0]).unwrap().is_empty());
}

#[test]
fn pages_go_on_after_a_restart_although_the_last_face_shown_was_deleted() {
    let house = house();
    let ids = house.ids(&[1, 2, 3, 4]);
    let (seen, next) = house.page(2, None);
    assert_eq!(seen, ids[..2]);
    house.delete(vec![seen[1]]);
    let house = house.restarted();
    assert_eq!(house.page(2, next), (ids[2..].to_vec(), None));
}

#[test]
fn a_resource_has_at_most_200_tags() {
    let house = house();
    house.tag(0..200).unwrap();
    house.tag(0..200).unwrap();
    assert!(matches!(house.tag(200..201), Err(OperationError::QuotaExceeded(_))));
    let resource_arn = arn::of(&Settings::default(), &staff());
    let keys = vec!["k0".to_owned(), "unknown".to_owned()];
    let untag = untag_resource::Input { resource_arn: resource_arn.clone(), keys };
    house.ask(Request::UntagResource(untag)).unwrap();
    house.tag(200..201).unwrap();
    let list = list_tags_for_resource::Input { resource_arn };
    let Response::ListTagsForResource(output) = house.ask(Request::ListTagsForResource(list)).unwrap() else {
        panic!()
    };
    assert!(output.tags.len() == 200 && output.tags.contains_key("k200") && !output.tags.contains_key("k0"));
    let other = CollectionId::parse("other").unwrap();
    let tags: Tags = (0..201).map(|n| (format!("k{n}"), String::new())).collect();
    let create = create_collection::Input { collection_id: other, tags };
    assert!(matches!(house.ask(Request::CreateCollection(create)), Err(OperationError::InvalidParameter(_))));
}

#[test]
fn limits_of_searches_are_held() {
    struct Case(Option<usize>, Option<f32>, bool);
    let house = house();
    let face_id = house.ids(&[1])[0];
    for n in 0..5_u8 {
        house.ids(&[1, 10 + n]);
    }
    for Case(faces_max, threshold, good) in [
        Case(Some(0), None, false),
        Case(Some(1), None, true),
        Case(Some(4096), Some(0.0), true),
        Case(Some(4097), None, false),
        Case(None, Some(100.0), true),
        Case(None, Some(-0.1), false),
        Case(None, Some(100.1), false),
        Case(None, Some(f32::NAN), false),
    ] {
        let input = search_faces::Input { collection_id: staff(), face_id, faces_max, threshold };
        match house.ask(Request::SearchFaces(input)) {
            Ok(Response::SearchFaces(output)) => {
                assert!(good && output.matches.len() <= faces_max.unwrap_or(usize::MAX));
                assert!(output.matches.iter().all(|found| found.similarity >= threshold.unwrap_or(80.0)));
                assert!(output.matches.iter().all(|found| found.face.face_id != face_id));
            }
            answer => assert!(!good && matches!(answer, Err(OperationError::InvalidParameter(_))), "{answer:?}"),
        }
    }
}

#[test]
fn a_collection_of_another_model_is_refused_and_says_what_to_do() {
    let House { service, dir } = house();
    drop(service);
    let house = House { service: open_with(dir.path(), "another"), dir };
    let image = || ImageSource::Bytes(vec![1]);
    let index = Request::IndexFaces(index_faces::Input {
        collection_id: staff(),
        image: image(),
        external_image_id: None,
        faces_max: None,
        quality_filter: QualityFilter::Auto,
    });
    let search = Request::SearchFacesByImage(search_faces_by_image::Input {
        collection_id: staff(),
        image: image(),
        faces_max: None,
        threshold: None,
        quality_filter: QualityFilter::Auto,
    });
    for request in [index, search] {
        let Err(OperationError::InvalidParameter(text)) = house.ask(request) else { panic!() };
        assert!(
            text.contains("`made-up`") && text.contains("`another`") && text.contains("collections migrate staff"),
            "{text}"
        );
    }
}

#[test]
fn a_revoked_key_has_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (good, revoked) = (
        store.create_key(&crate::store::KeyBinding::default()).unwrap(),
        store.create_key(&crate::store::KeyBinding::default()).unwrap(),
    );
    store.revoke_key(&revoked.id).unwrap();
    drop(store);
    let service = open(dir.path());
    assert_eq!(service.keys.secret(&good.id), Some(good.secret));
    assert_eq!(service.keys.secret(&revoked.id), None);
    assert_eq!(service.keys.secret("TRMBUNKNOWN"), None);
}

/// Eyes of another network over the same store.
fn open_newer(dir: &Path, model: &str) -> Service {
    let store = Store::open(dir).unwrap();
    let buckets = Buckets::open(BucketSource::Folder(dir.join("buckets"))).unwrap();
    let settings = Settings { model_version: "2.0".to_owned(), ..Settings::default() };
    let oversight = Oversight::personal(&dir.join("ledger")).unwrap();
    Service::new(Box::new(MadeUp(ModelId::new(model))), store, buckets, settings, oversight).unwrap()
}

#[test]
fn migrated_faces_keep_their_names_and_the_old_collection_serves_until_the_exchange() {
    let House { service, dir } = house();
    let first = House { service, dir };
    first.index(&[1, 2], Some("pair"), None);
    first.index(&[3], Some("one"), None);
    let request = || {
        let (collection_id, face_ids) = (staff(), Vec::new());
        Request::ListFaces(list_faces::Input { collection_id, next_token: None, limit: None, user_id: None, face_ids })
    };
    let listed = |house: &House| match house.ask(request()).unwrap() {
        Response::ListFaces(output) => output.faces,
        _ => panic!(),
    };
    let old = listed(&first);
    let House { service, dir } = first;
    drop(service);
    let house = House { service: open_newer(dir.path(), "another"), dir };
    let (new, kept) = (CollectionId::parse("staff.new").unwrap(), CollectionId::parse("staff.old").unwrap());
    let input = create_collection::Input { collection_id: new.clone(), tags: Tags::new() };
    house.ask(Request::CreateCollection(input)).unwrap();
    let migrate = |picture: &[u8]| house.service.migrate_picture(&Principal::Local, &new, picture, &old).unwrap();
    // Both faces of this picture lie over one another in these eyes: each finds the one that agrees best.
    assert_eq!(migrate(&[1, 2]), 2);
    // Again is no second enrolment, and a picture that nobody was enrolled from is none.
    assert_eq!(migrate(&[3]), 1);
    assert_eq!(migrate(&[3]), 1);
    assert_eq!(migrate(&[9]), 0);
    // Refused while the model differs.
    let wrong = house.service.migrate_picture(&Principal::Local, &staff(), &[3], &old).unwrap_err();
    assert!(matches!(wrong, OperationError::InvalidParameter(_)), "{wrong}");
    assert_eq!(listed(&house).len(), 3);
    assert_eq!(listed(&house)[0].model_version, "1.0");

    house.service.exchange_collections(&Principal::Local, &staff(), &new, &kept).unwrap();
    let after = listed(&house);
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|face| face.model_version == "2.0"));
    let mut names: Vec<_> = after.iter().filter_map(|face| face.external_image_id.clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["one", "pair", "pair"]);
    let taken = house.service.exchange_collections(&Principal::Local, &staff(), &kept, &kept).unwrap_err();
    assert!(matches!(taken, OperationError::CollectionExists(_)), "{taken}");

    // The names are on disk.
    let House { service, dir } = house;
    drop(service);
    let again = House { service: open_newer(dir.path(), "another"), dir };
    assert_eq!(listed(&again), after);
    assert!(again.service.shelf(&kept).is_ok() && again.service.shelf(&new).is_err());
}

#[test]
fn imported_embeddings_are_searched_like_others_and_only_in_their_network() {
    let house = house();
    let embedding = |model: &str, person: usize| {
        let mut raw = [0.0; 256];
        raw[person] = 1.4;
        Embedding::normalised(ModelId::new(model), &raw).unwrap()
    };
    let name = ExternalImageId::parse("Ada").unwrap();
    let import = |faces| house.service.import_embeddings(&Principal::Local, &staff(), faces);
    let faces = vec![(Some(name.clone()), embedding("made-up", 7)), (None, embedding("made-up", 8))];
    assert_eq!(import(faces.clone()).unwrap(), 2);
    // The same again saves no second face.
    import(faces).unwrap();
    assert_eq!(house.service.face_count(), 2);
    let input = search_faces_by_image::Input {
        collection_id: staff(),
        image: ImageSource::Bytes(vec![7]),
        threshold: None,
        faces_max: None,
        quality_filter: QualityFilter::None,
    };
    let Response::SearchFacesByImage(found) = house.ask(Request::SearchFacesByImage(input)).unwrap() else { panic!() };
    assert_eq!(found.matches[0].face.external_image_id, Some(name));
    let error = import(vec![(None, embedding("another", 1))]).unwrap_err();
    assert!(matches!(error, OperationError::InvalidParameter(_)), "{error}");
}

#[test]
fn duplicates_are_searched_under_the_rules_and_told_beside_what_chance_makes() {
    use crate::policy::{Gate, Standing};
    let house = calibrated();
    // Seven people, of whom the first three are enrolled twice: cosines of 0.999, 0.95 and 0.85.
    let mut faces = Vec::new();
    for person in 0..7 {
        let mut raw = [0.0; 256];
        raw[person] = 1.0;
        faces.push((None, Embedding::normalised(ModelId::new("made-up"), &raw).unwrap()));
        if let Some(other) = [0.045, 0.33, 0.62].get(person) {
            raw[100 + person] = *other;
            faces.push((None, Embedding::normalised(ModelId::new("made-up"), &raw).unwrap()));
        }
    }
    house.service.import_embeddings(&Principal::Local, &staff(), faces).unwrap();
    let ask = |threshold: f32, pairs_max| {
        let input = search_faces_pairwise::Input { collection_id: staff(), threshold, pairs_max };
        house.service.search_faces_pairwise(&Principal::Local, &input, &|_| {})
    };
    let calibration = house.service.calibration(&ModelId::new("made-up"));
    let found = ask(99.0, 10).unwrap();
    assert_eq!((found.pairs.len(), found.faces, found.threshold), (3, 10, 99.0));
    assert!(found.pairs.windows(2).all(|two| two[0].similarity >= two[1].similarity));
    assert!(found.pairs[0].faces[0].face_id < found.pairs[0].faces[1].face_id);
    let expected = calibration.fmr(calibration.threshold(99.0)).unwrap().rate * 45.0;
    assert!((found.expected_false.unwrap().rate / expected - 1.0).abs() < 1e-9);
    assert_eq!(ask(99.0, 2).unwrap().pairs, found.pairs[..2]);
    // All pairs of everybody.
    assert_eq!(ask(0.0, 1000).unwrap().pairs.len(), 45);
    for (threshold, pairs_max) in [(-1.0, 5), (101.0, 5), (90.0, 0), (90.0, search_faces_pairwise::PAIRS_MAX + 1)] {
        assert!(matches!(ask(threshold, pairs_max), Err(OperationError::InvalidParameter(_))), "{threshold}");
    }

    // A rule against identification is one against this, too.
    let rules = "[profile]\nname = \"regulated\"\n";
    let gate = Gate::from_files(&[("rules.toml".to_owned(), rules.to_owned())]).unwrap();
    house.service.change_rules(Standing::new(gate)).unwrap();
    assert!(matches!(ask(99.0, 10), Err(OperationError::AccessDenied { .. })));
}

impl House {
    fn keys(&self) -> Vec<list_access_keys::KeySummary> {
        let Ok(Response::ListAccessKeys(output)) = self.ask(Request::ListAccessKeys(list_access_keys::Input)) else {
            panic!()
        };
        output.keys
    }

    fn create_key(&self) -> create_access_key::Output {
        let Ok(Response::CreateAccessKey(output)) =
            self.ask(Request::CreateAccessKey(create_access_key::Input::default()))
        else {
            panic!()
        };
        output
    }

    fn revoke(&self, access_key_id: &str) -> Result<Response, OperationError> {
        let access_key_id = access_key_id.to_owned();
        self.ask(Request::RevokeAccessKey(revoke_access_key::Input { access_key_id }))
    }
}

#[test]
fn keys_sign_from_their_answer_until_that_of_their_revocation() {
    let house = house();
    let (first, second) = (house.create_key(), house.create_key());
    assert_eq!(house.service.keys.secret(&first.access_key_id), Some(first.secret_access_key.clone()));
    house.revoke(&first.access_key_id).unwrap();
    assert_eq!(house.service.keys.secret(&first.access_key_id), None);
    let gone = OperationError::KeyNotFound(first.access_key_id.clone());
    assert_eq!(house.revoke(&first.access_key_id).unwrap_err(), gone);
    // Nobody locks everybody out.
    assert!(matches!(house.revoke(&second.access_key_id), Err(OperationError::InvalidParameter(_))));
    let states: Vec<bool> = house.keys().iter().map(|key| key.active).collect();
    assert_eq!(states, [false, true]);

    // All of it is on disk.
    let House { service, dir } = house;
    drop(service);
    let again = House { service: open(dir.path()), dir };
    assert_eq!(again.service.keys.secret(&first.access_key_id), None);
    assert_eq!(again.service.keys.secret(&second.access_key_id), Some(second.secret_access_key));
}

#[test]
fn of_two_keys_that_revoke_each_other_at_once_one_stays() {
    let house = house();
    let keys = [house.create_key().access_key_id, house.create_key().access_key_id];
    let revoked = std::thread::scope(|scope| {
        let threads: Vec<_> = keys.iter().map(|key| scope.spawn(|| house.revoke(key).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|&ok| ok).count()
    });
    assert_eq!(revoked, 1);
    assert_eq!(house.keys().iter().filter(|key| key.active).count(), 1);
}

#[test]
fn a_secret_is_in_no_log_line() {
    let key = house().create_key();
    assert!(!format!("{key:?}").contains(&key.secret_access_key));
}

/// A house whose network has a calibration.
fn calibrated() -> House {
    use crate::gallery::similarity::{Anchor, LEVELS, RateSource, StatedRate};
    let anchors = LEVELS.iter().enumerate().map(|(step, &(percent, rate))| Anchor {
        percent,
        cosine: 0.1 * step as f32,
        fmr: StatedRate { rate, low: 0.8 * rate, high: 1.25 * rate, source: RateSource::Counted },
        spread: 0.0,
    });
    let calibration = Calibration::none(ModelId::new("made-up")).with_anchors(anchors.collect()).unwrap();
    let mut house = house();
    house.service.settings.calibrations.insert(calibration);
    house
}

fn expectations(house: &House, collection_id: Option<CollectionId>, users: bool) -> get_expectations::Output {
    let input = get_expectations::Input { collection_id, users };
    let Ok(Response::GetExpectations(output)) = house.ask(Request::GetExpectations(input)) else { panic!() };
    output
}

#[test]
fn expectations_are_those_of_the_search_answers() {
    use crate::gallery::expectation::{Fpir, Unknown};
    let house = calibrated();
    house.ids(&[1, 2, 3]);
    let told = expectations(&house, Some(staff()), false);
    assert_eq!((told.faces, told.unknown, told.thresholds.len()), (Some(3), None, 101));
    for percent in [0.0_f32, 50.0, 80.0, 93.0, 100.0] {
        let input = search_faces_by_image::Input {
            collection_id: staff(),
            image: ImageSource::Bytes(vec![7]),
            threshold: Some(percent),
            faces_max: None,
            quality_filter: QualityFilter::None,
        };
        let Ok(Response::SearchFacesByImage(found)) = house.ask(Request::SearchFacesByImage(input)) else { panic!() };
        let at = told.thresholds.iter().find(|at| at.percent == percent).unwrap();
        assert_eq!(at.fpir, Some(found.expected.fpir), "{percent}");
    }
    let rates = told.thresholds.iter().map(|at| match at.fpir {
        Some(Fpir::Known { rate, .. }) => rate,
        _ => panic!("known"),
    });
    assert!(rates.collect::<Vec<_>>().windows(2).all(|pair| pair[0] >= pair[1]));

    let users = expectations(&house, Some(staff()), true);
    assert_eq!(users.unknown, Some(Unknown::UserVectors));
    assert!(users.thresholds.iter().all(|at| at.fpir.is_none()));
    let model = expectations(&house, None, false);
    assert_eq!((model.faces, model.unknown), (None, None));
    assert_eq!(model.thresholds[80].fmr.rate.to_bits(), told.thresholds[80].fmr.rate.to_bits());
}

#[test]
fn searches_of_users_tell_how_many_users_were_compared_and_no_rate() {
    use crate::gallery::expectation::{Expectation, Fpir, Unknown};
    let house = calibrated();
    let ids = house.ids(&[1, 2, 3, 4]);
    for (user, faces) in [("ann", &ids[..2]), ("bob", &ids[2..3]), ("without-faces", &[])] {
        let user_id = UserId::parse(user).unwrap();
        let input = create_user::Input { collection_id: staff(), user_id, token: None };
        house.ask(Request::CreateUser(input)).unwrap();
        if !faces.is_empty() {
            house.associate(user, faces.to_vec()).unwrap();
        }
    }
    let by_probe = |probe| {
        let input = search_users::Input { collection_id: staff(), probe, users_max: None, threshold: None };
        let Ok(Response::SearchUsers(found)) = house.ask(Request::SearchUsers(input)) else { panic!() };
        found.expected
    };
    let by_image = |bytes: &[u8]| {
        let input = search_users_by_image::Input {
            collection_id: staff(),
            image: ImageSource::Bytes(bytes.to_vec()),
            users_max: None,
            threshold: None,
            quality_filter: QualityFilter::None,
        };
        let Ok(Response::SearchUsersByImage(found)) = house.ask(Request::SearchUsersByImage(input)) else { panic!() };
        found.expected
    };
    let unknown = |enrolled| Expectation { enrolled, fpir: Fpir::Unknown(Unknown::UserVectors) };
    let user = |name| search_users::Probe::User(UserId::parse(name).unwrap());
    // Four faces are enrolled; two users have a vector, and a user is not compared with itself.
    assert_eq!(by_probe(search_users::Probe::Face(ids[3])), unknown(2));
    assert_eq!(by_probe(user("ann")), unknown(1));
    assert_eq!(by_image(&[1]), unknown(2));
    // No probe, no comparison.
    assert_eq!(by_probe(user("without-faces")), unknown(0));
    assert_eq!(by_image(&[]), unknown(0));
}

#[test]
fn what_is_not_known_is_not_told() {
    use crate::gallery::expectation::Unknown;
    let house = house();
    let told = expectations(&house, Some(staff()), false);
    assert_eq!((told.unknown, told.thresholds.len()), (Some(Unknown::Uncalibrated), 0));
    let nowhere = get_expectations::Input { collection_id: CollectionId::parse("nowhere"), users: false };
    let error = house.ask(Request::GetExpectations(nowhere)).unwrap_err();
    assert!(matches!(error, OperationError::CollectionNotFound(_)), "{error}");
}
