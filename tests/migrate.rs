//! A collection moves to another network, as its owner would have it.

use std::fs;
use std::process::{Command, Output};

use aws_sdk_rekognition::types::Image;
use serde_json::Value;

use crate::packs::own_data;
use crate::support::clients::clients;
use crate::support::moto::Moto;
use crate::support::server::{Server, trombi};
use crate::support::{pictures, sdk, shared, skipped};

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_moves_to_another_network_picture_by_picture() {
    if shared().is_none() {
        return skipped("migrating from dlib to retail: no networks");
    }
    let dir = tempfile::tempdir().unwrap();
    let data = own_data(dir.path());
    let portrait = pictures::read_png(&clients().portrait_png);
    let [first, second] = ["first", "second"].map(|name| {
        fs::create_dir(dir.path().join(name)).unwrap();
        dir.path().join(name).join(format!("{name}.png"))
    });
    pictures::write_png(&first, &portrait);
    pictures::write_png(&second, &pictures::mirrored(&portrait));
    let by = |pack: &str| -> Command {
        let mut command = trombi(&data);
        command.args(["--offline", "--pack", pack]);
        command
    };

    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    run(by("dlib").args(["collections", "create", "crew"]));
    run(by("dlib").args(["index", "crew", "--external-id", "file"]).args([&first, &second]));
    make_user(&data).await;

    // With the new network, the collection is refused and says what to do.
    let search = |pack: &str| by(pack).args(["--json", "search", "crew"]).arg(&first).output().unwrap();
    let refused = words(&search("retail").stderr);
    assert!(refused.contains("collections migrate"), "{refused}");
    assert!(!json(&search("dlib"))["FaceMatches"].as_array().unwrap().is_empty());

    // A mistyped folder leaves nothing behind.
    let mistyped = by("retail").args(["collections", "migrate", "crew", "/no/such/folder"]).output().unwrap();
    assert!(!mistyped.status.success() && words(&mistyped.stderr).contains("/no/such/folder"));
    let listed = by("dlib").args(["collections", "list"]).output().unwrap();
    assert!(!words(&listed.stdout).contains("crew.migrating"), "{}", words(&listed.stdout));

    // One picture of two is not enough: the old one serves on.
    let half = by("retail").args(["collections", "migrate", "crew"]).arg(first.parent().unwrap()).output().unwrap();
    assert!(!half.status.success());
    assert!(words(&half.stdout).contains("1 of 2 faces are not in `crew.migrating` yet"), "{}", words(&half.stdout));
    assert_eq!(json(&search("dlib"))["FaceMatches"].as_array().unwrap().len(), 2);

    // The other one comes out of a bucket, beside a text and a picture that nobody enrolled.
    let moto = Moto::start();
    moto.put("pictures", "crew/2026/second.png", &second);
    moto.put("pictures", "crew/notes.txt", &first);
    moto.put("pictures", "others/first.png", &first);
    let without_service = by("retail").args(["collections", "migrate", "crew", "s3://pictures/crew"]).output().unwrap();
    assert!(words(&without_service.stderr).contains("--s3-endpoint"), "{}", words(&without_service.stderr));
    let whole = by("retail")
        .args(["collections", "migrate", "crew", "s3://pictures/crew", "--s3-endpoint", &moto.endpoint])
        .envs([("TROMBI_S3_ACCESS_KEY_ID", "id"), ("TROMBI_S3_SECRET_ACCESS_KEY", "secret")])
        .output()
        .unwrap();
    assert!(whole.status.success(), "{}{}", words(&whole.stdout), words(&whole.stderr));
    assert!(words(&whole.stdout).contains("`crew` has 2 faces of the network in use now"), "{}", words(&whole.stdout));

    // Exchanged: names, people and the old vectors are all there.
    let found = json(&search("retail"));
    assert_eq!(found["FaceMatches"][0]["Face"]["ExternalImageId"], "first.png", "{found}");
    let faces = json(&by("retail").args(["--json", "faces", "list", "crew"]).output().unwrap());
    let users: Vec<_> = faces["Faces"].as_array().unwrap().iter().map(|face| face["UserId"].clone()).collect();
    assert_eq!(users, ["sailor", "sailor"], "{faces}");
    let kept = json(&by("dlib").args(["--json", "search", "crew.29.2"]).arg(&second).output().unwrap());
    assert_eq!(kept["FaceMatches"][0]["Face"]["ExternalImageId"], "second.png", "{kept}");
    let again = by("retail").args(["collections", "migrate", "crew"]).arg(&first).output().unwrap();
    assert!(words(&again.stderr).contains("of the network in use already"), "{}", words(&again.stderr));
    let all = json(&by("retail").args(["--json", "collections", "list"]).output().unwrap());
    assert_eq!(all["CollectionIds"], serde_json::json!(["crew", "crew.29.2"]), "{all}");
}

/// A user with both faces, by the API.
async fn make_user(data: &std::path::Path) {
    let created = trombi(data).args(["--json", "keys", "create"]).output().unwrap();
    let key = json(&created);
    let text = |name: &str| key["AccessKey"][name].as_str().unwrap_or_else(|| panic!("{key}")).to_owned();
    let server = Server::start(data, &["--pack", "dlib"]);
    let client = sdk::client(&server.endpoint, &text("AccessKeyId"), &text("SecretAccessKey"));
    client.create_user().collection_id("crew").user_id("sailor").send().await.unwrap();
    let faces = client.list_faces().collection_id("crew").send().await.unwrap();
    let ids = faces.faces().iter().filter_map(|face| face.face_id().map(str::to_owned)).collect();
    let associated = client.associate_faces().collection_id("crew").user_id("sailor").set_face_ids(Some(ids));
    let answer = associated.user_match_threshold(0.0).send().await.unwrap();
    assert_eq!(answer.associated_faces().len(), 2);
    let picture = Image::builder().bytes(fs::read(&clients().portrait_png).unwrap().into()).build();
    let found = client.search_users_by_image().collection_id("crew").image(picture).send().await.unwrap();
    assert_eq!(found.user_matches()[0].user().unwrap().user_id(), Some("sailor"));
}
