//! Power cuts while indexing: 200 times `kill -9` at random moments, through the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::Image;
use tokio::sync::Mutex;

use crate::support::clients::clients;
use crate::support::pictures::{self, Rgb};
use crate::support::sdk;
use crate::support::server::Server;

const KILLS: usize = 200;
const CLIENTS: usize = 4;
/// A start-up after a crash may take this long.
const START_MAX: Duration = Duration::from_secs(2);
const SEED: u64 = 0x7265_6b6f;

/// A picture of the portrait's face that no other call has: its number is drawn into a corner.
fn numbered(face: &Rgb, number: u32) -> Vec<u8> {
    let mut pixels = face.pixels.clone();
    for bit in 0..32_usize {
        let value = if number >> bit & 1 == 1 { 255 } else { 0 };
        pixels[3 * bit..3 * bit + 3].fill(value);
    }
    pictures::encode_png(&Rgb { width: face.width, height: face.height, pixels })
}

/// Enrols numbered pictures until the server goes away; every answered face is noted.
async fn index_until_killed(
    client: Client,
    face: Arc<Rgb>,
    next: Arc<AtomicU32>,
    answered: Arc<Mutex<BTreeMap<String, String>>>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let name = format!("picture-{number}");
        let image = Image::builder().bytes(Blob::new(numbered(&face, number))).build();
        let call = client.index_faces().collection_id("crash").external_image_id(&name).image(image).send();
        let Ok(answer) = call.await else { return };
        let id = answer.face_records()[0].face().unwrap().face_id().unwrap().to_owned();
        answered.lock().await.insert(id, name);
    }
}

/// Every answered face is listed under its name and is found by its own vector's neighbours; whatever else is
/// listed is whole too.
async fn check(client: &Client, answered: &BTreeMap<String, String>, look_at: usize) {
    let mut listed = BTreeMap::new();
    let mut pages = client.list_faces().collection_id("crash").into_paginator().send();
    while let Some(page) = pages.next().await {
        for face in page.unwrap().faces() {
            listed.insert(face.face_id().unwrap().to_owned(), face.external_image_id().unwrap().to_owned());
        }
    }
    for (id, name) in answered {
        assert_eq!(listed.get(id), Some(name), "an answered face is gone");
    }
    let described = client.describe_collection().collection_id("crash").send().await.unwrap();
    assert_eq!(usize::try_from(described.face_count().unwrap()).unwrap(), listed.len());
    // The newest ones are those a crash could have left half there.
    let suspects = listed.iter().filter(|(_, name)| {
        name.strip_prefix("picture-").and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n + look_at >= listed.len())
    });
    for (id, name) in suspects.take(look_at) {
        let found =
            client.search_faces().collection_id("crash").face_id(id).max_faces(1).face_match_threshold(50.0).send();
        let found = found.await.unwrap_or_else(|error| panic!("{name} is listed but has no vector: {error:?}"));
        assert!(listed.len() < 2 || found.face_matches().len() == 1, "{name} finds nobody");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_no_answered_face() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let portrait = pictures::read_png(&clients().portrait_png);
    let face = Arc::new(pictures::cropped(&portrait, 130, 0, 200, 250));
    let next = Arc::new(AtomicU32::new(0));
    let answered = Arc::new(Mutex::new(BTreeMap::new()));
    let mut key: Option<(String, String)> = None;
    let mut starts = Vec::new();
    let mut random = SEED;
    for round in 0..=KILLS {
        let mut server = Server::start(&data, &[]);
        let (id, secret) =
            key.get_or_insert_with(|| (server.access_key_id.clone(), server.secret_access_key.clone())).clone();
        // The first start follows no crash, and may read the runtime from a cold disk.
        starts.extend((round > 0).then_some(server.ready_after));
        let client = sdk::client(&server.endpoint, &id, &secret);
        if round == 0 {
            client.create_collection().collection_id("crash").send().await.unwrap();
        }
        check(&client, &*answered.lock().await, 8).await;
        if round == KILLS {
            break;
        }
        let indexing: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(index_until_killed(client.clone(), face.clone(), next.clone(), answered.clone())))
            .collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(random >> 33 & 0xff)).await;
        server.kill();
        for task in indexing {
            task.await.unwrap();
        }
    }
    let answered = answered.lock().await.len();
    // The median: another program on this machine may hold up any one of them.
    starts.sort_unstable();
    let (start, slowest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    println!("{KILLS} kills, {answered} answered faces, starts took {start:?}, the slowest {slowest:?}");
    assert!(answered > KILLS, "too few faces were indexed for the kills to mean anything: {answered}");
    assert!(start < START_MAX, "half of the starts took {start:?} or more");
}
