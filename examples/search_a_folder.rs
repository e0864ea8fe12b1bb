//! Enrols every picture of a folder, then prints who in it is most like the largest face of a picture.
//!
//! `cargo run --release --example search_a_folder -- FOLDER PICTURE`
//!
//! The whole service in this process: nothing listens, and the collection is gone when the program ends.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints its result")]

use std::error::Error;
use std::path::{Path, PathBuf};

use trombi::gallery::{CollectionId, ExternalImageId};
use trombi::models::{self, SetupOptions};
use trombi::operations::types::{ImageSource, QualityFilter, Tags};
use trombi::operations::{
    Oversight, Request, Response, Service, Settings, create_collection, index_faces, search_faces_by_image,
};
use trombi::policy::Principal;
use trombi::store::Store;
use trombi::store::buckets::{BucketSource, Buckets};
use trombi::vision::Vision;

/// Fetches what is missing into `target/`, then puts the service together over an empty data directory.
fn open_service(data: &Path) -> Result<Service, Box<dyn Error>> {
    let installed = models::install(&SetupOptions {
        models_dir: std::env::var_os("TROMBI_MODELS").map(PathBuf::from),
        shared_dir: None,
        ..SetupOptions::new(PathBuf::from("target/trombi-example"))
    })?;
    let vision = Vision::open(&installed.vision_options(0, 16))?;
    let settings = Settings {
        model_version: installed.model_version,
        calibrations: installed.calibrations,
        ..Settings::default()
    };
    let buckets = Buckets::open(BucketSource::Folder(data.join("buckets")))?;
    let oversight = Oversight::personal(&data.join("ledger"))?;
    Ok(Service::new(Box::new(vision), Store::open(data)?, buckets, settings, oversight)?)
}

/// Number of faces enrolled; the file's name travels with them where it is a valid external id.
fn enrol(service: &Service, collection_id: &CollectionId, file: &Path) -> Result<usize, Box<dyn Error>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let request = Request::IndexFaces(index_faces::Input {
        collection_id: collection_id.clone(),
        image: ImageSource::Bytes(std::fs::read(file)?),
        external_image_id: ExternalImageId::parse(&name),
        faces_max: None,
        quality_filter: QualityFilter::Auto,
    });
    match service.execute(&Principal::Local, request)? {
        Response::IndexFaces(output) => Ok(output.records.len()),
        _ => Err("another answer than asked for".into()),
    }
}

fn print_matches(service: &Service, collection_id: CollectionId, picture: &Path) -> Result<(), Box<dyn Error>> {
    let request = Request::SearchFacesByImage(search_faces_by_image::Input {
        collection_id,
        image: ImageSource::Bytes(std::fs::read(picture)?),
        faces_max: Some(5),
        threshold: None,
        quality_filter: QualityFilter::None,
    });
    let Response::SearchFacesByImage(output) = service.execute(&Principal::Local, request)? else {
        return Err("another answer than asked for".into());
    };
    for found in &output.matches {
        let name = found.face.external_image_id.as_ref().map_or("(no name)", |name| name.as_str());
        println!("{:6.2} %  {name}", found.similarity);
    }
    println!("{} matches", output.matches.len());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, picture] = &arguments[..] else { return Err("usage: search_a_folder FOLDER PICTURE".into()) };
    let data = std::env::temp_dir().join(format!("trombi-example-{}", std::process::id()));
    let service = open_service(&data)?;
    let collection_id = CollectionId::parse("folder").ok_or("not a collection id")?;
    let create = create_collection::Input { collection_id: collection_id.clone(), tags: Tags::new() };
    service.execute(&Principal::Local, Request::CreateCollection(create))?;
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        match enrol(&service, &collection_id, &file) {
            Ok(faces) => println!("{}: {faces} faces", file.display()),
            Err(error) => eprintln!("{}: {error}", file.display()),
        }
    }
    let answer = print_matches(&service, collection_id, picture);
    drop(service);
    std::fs::remove_dir_all(&data)?;
    answer
}
