//! `Image.S3Object` from an S3 server (moto) that is not ours.

use aws_sdk_rekognition::types::{Image, S3Object};

use crate::support::clients::clients;
use crate::support::moto::Moto;
use crate::support::sdk;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_read_from_an_s3_server() {
    let moto = Moto::start();
    moto.put("pictures", "crew/a portrait.png", &clients().portrait_png);

    let directory = tempfile::tempdir().unwrap();
    let keys = ["--s3-access-key-id", "id", "--s3-secret-access-key", "secret"];
    let server = Server::start(directory.path(), &[["--s3-endpoint", &moto.endpoint].as_slice(), &keys].concat());
    let client = sdk::client(&server.endpoint, &server.access_key_id, &server.secret_access_key);
    let detect = |key: &str| {
        let object = S3Object::builder().bucket("pictures").name(key).build();
        client.detect_faces().image(Image::builder().s3_object(object).build()).send()
    };
    assert_eq!(detect("crew/a portrait.png").await.unwrap().face_details().len(), 1);
    let missing = detect("crew/nobody.png").await.unwrap_err().into_service_error();
    assert!(missing.is_invalid_s3_object_exception(), "{missing:?}");
}
