//! `Image.S3Object` from an S3 server (moto) that is not ours.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use aws_sdk_rekognition::types::{Image, S3Object};

use crate::support::clients::{clients, run};
use crate::support::sdk;
use crate::support::server::Server;

/// Killed when dropped.
struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_read_from_an_s3_server() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let moto = clients().python.with_file_name("moto_server");
    let silent = || Stdio::null();
    let child =
        Command::new(moto).args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(silent()).stderr(silent()).spawn();
    let _moto = Moto(child.unwrap());
    let endpoint = format!("http://127.0.0.1:{port}");
    let put = ["tests/clients/put_object.py", &endpoint, "pictures", "crew/a portrait.png"];
    run(Command::new(&clients().python).args(put).arg(&clients().portrait_png));

    let directory = tempfile::tempdir().unwrap();
    let keys = ["--s3-access-key-id", "id", "--s3-secret-access-key", "secret"];
    let server = Server::start(directory.path(), &[["--s3-endpoint", &endpoint].as_slice(), &keys].concat());
    let client = sdk::client(&server.endpoint, &server.access_key_id, &server.secret_access_key);
    let detect = |key: &str| {
        let object = S3Object::builder().bucket("pictures").name(key).build();
        client.detect_faces().image(Image::builder().s3_object(object).build()).send()
    };
    assert_eq!(detect("crew/a portrait.png").await.unwrap().face_details().len(), 1);
    let missing = detect("crew/nobody.png").await.unwrap_err().into_service_error();
    assert!(missing.is_invalid_s3_object_exception(), "{missing:?}");
}
