//! A server inside another program: a free port, a new access key, until Enter is pressed.
//!
//! `cargo run --release --example serve_in_process -- DATA_DIRECTORY`

#![allow(clippy::print_stdout, reason = "prints how to reach it")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trombi::models::{self, SetupOptions};
use trombi::operations::{Oversight, Service, Settings};
use trombi::protocol::server::{Auth, Server, ServerOptions};
use trombi::store::buckets::{BucketSource, Buckets};
use trombi::store::{AccessKey, KeyBinding, Store};
use trombi::vision::Vision;

/// The service, and a key made before it takes the data directory over: it reads the keys when it starts.
fn open_service(data: &Path) -> Result<(Service, AccessKey), Box<dyn Error>> {
    let installed = models::install(&SetupOptions {
        models_dir: std::env::var_os("TROMBI_MODELS").map(PathBuf::from),
        shared_dir: None,
        ..SetupOptions::new(PathBuf::from("target/trombi-example"))
    })?;
    let vision = Vision::open(&installed.vision_options(0, 64))?;
    let settings = Settings {
        model_version: installed.model_version,
        calibrations: installed.calibrations,
        ..Settings::default()
    };
    let store = Store::open(data)?;
    let key = store.create_key(&KeyBinding::default())?;
    let buckets = Buckets::open(BucketSource::Folder(data.join("buckets")))?;
    let oversight = Oversight::personal(&data.join("ledger"))?;
    Ok((Service::new(Box::new(vision), store, buckets, settings, oversight)?, key))
}

async fn serve(service: Service, key: AccessKey) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(&ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        auth: Auth::SigV4,
        tls: None,
        running_max: 16,
        queue_max: 64,
    })
    .await?;
    println!("export AWS_ACCESS_KEY_ID={}", key.id);
    println!("export AWS_SECRET_ACCESS_KEY={}", key.secret);
    println!("export AWS_REGION=us-east-1");
    println!("export AWS_ENDPOINT_URL_REKOGNITION=http://{}", server.address());
    println!("Enter ends it");
    let enter = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let stop = async {
        // Whatever comes of it, an end of input included, is the sign to stop.
        let _ = enter.await;
    };
    Ok(server.serve(Arc::new(service), stop).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: serve_in_process DATA_DIRECTORY")?;
    let (service, key) = open_service(&data)?;
    tokio::runtime::Runtime::new()?.block_on(serve(service, key))
}
