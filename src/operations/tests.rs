//! The operations over a real store, with made-up eyes: a picture is a list of bytes, one face for each.

use super::types::*;
use super::*;
use crate::gallery::ExternalImageId;
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
    Service::new(eyes, store, buckets, Settings::default()).unwrap()
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
    let held = |face| shelf.read(&house.service.store, |gallery| gallery.embedding(face).is_some()).unwrap();
    assert!(records.iter().all(|record| held(record.face_id)));
}
