//! Every operation through the official Rust SDK, whose typed answers are stricter than boto3's.

use std::path::Path;

use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::{
    Attribute, Image, QualityFilter, S3Object, UnsuccessfulFaceAssociationReason, UserStatus,
};

use crate::support::clients::clients;
use crate::support::server::Server;
use crate::support::{pictures, sdk};

fn picture(folder: &Path, name: &str) -> Image {
    Image::builder().bytes(Blob::new(std::fs::read(folder.join(name)).unwrap())).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_sdk_runs_every_operation() {
    let directory = tempfile::tempdir().unwrap();
    let folder = pictures::write_all(&clients().portrait_png, &directory.path().join("pictures"));
    let bucket = directory.path().join("buckets/pictures");
    std::fs::create_dir_all(&bucket).unwrap();
    std::fs::copy(folder.join("portrait.png"), bucket.join("portrait.png")).unwrap();
    let buckets = directory.path().join("buckets");
    let server = Server::start(&directory.path().join("data"), &["--buckets", buckets.to_str().unwrap()]);
    let client = sdk::client(&server.endpoint, &server.access_key_id, &server.secret_access_key);

    let created = client.create_collection().collection_id("crew").tags("a", "b").send().await.unwrap();
    assert_eq!(created.status_code(), Some(200));
    let arn = created.collection_arn().unwrap();
    let described = client.describe_collection().collection_id("crew").send().await.unwrap();
    assert_eq!((described.face_count(), described.user_count()), (Some(0), Some(0)));
    assert!(described.creation_timestamp().unwrap().secs() > 1_700_000_000);
    assert_eq!(client.list_collections().send().await.unwrap().collection_ids(), ["crew"]);

    let object =
        Image::builder().s3_object(S3Object::builder().bucket("pictures").name("portrait.png").build()).build();
    let indexed = client
        .index_faces()
        .collection_id("crew")
        .image(object)
        .external_image_id("portrait")
        .detection_attributes(Attribute::Default)
        .send()
        .await
        .unwrap();
    let face = indexed.face_records()[0].face().unwrap();
    let face_id = face.face_id().unwrap();
    let mirrored = client
        .index_faces()
        .collection_id("crew")
        .image(picture(&folder, "mirrored.png"))
        .quality_filter(QualityFilter::None)
        .max_faces(1)
        .send()
        .await
        .unwrap();
    let mirrored_id = mirrored.face_records()[0].face().unwrap().face_id().unwrap();
    assert_ne!(face_id, mirrored_id);
    assert_eq!(client.list_faces().collection_id("crew").send().await.unwrap().faces().len(), 2);

    let detected = client.detect_faces().image(picture(&folder, "portrait.png")).send().await.unwrap();
    assert_eq!(detected.face_details()[0].landmarks().len(), 5);
    let compared = client
        .compare_faces()
        .source_image(picture(&folder, "portrait.png"))
        .target_image(picture(&folder, "darker.png"))
        .similarity_threshold(90.0)
        .send()
        .await
        .unwrap();
    assert!(compared.face_matches()[0].similarity().unwrap() >= 90.0);

    let found =
        client.search_faces().collection_id("crew").face_id(face_id).face_match_threshold(50.0).send().await.unwrap();
    assert_eq!(found.face_matches()[0].face().unwrap().face_id(), Some(mirrored_id));
    let found = client
        .search_faces_by_image()
        .collection_id("crew")
        .image(picture(&folder, "darker.png"))
        .max_faces(1)
        .send()
        .await
        .unwrap();
    assert_eq!(found.face_matches()[0].face().unwrap().external_image_id(), Some("portrait"));
    let nobody =
        client.search_faces_by_image().collection_id("crew").image(picture(&folder, "nobody.png")).send().await;
    assert!(nobody.unwrap_err().into_service_error().is_invalid_parameter_exception());

    // The SDK fills ClientRequestToken by itself.
    client.create_user().collection_id("crew").user_id("eileen").send().await.unwrap();
    let again = client.create_user().collection_id("crew").user_id("eileen").send().await;
    assert!(again.unwrap_err().into_service_error().is_conflict_exception());
    let associated = client
        .associate_faces()
        .collection_id("crew")
        .user_id("eileen")
        .face_ids(face_id)
        .face_ids("00000000-0000-4000-8000-000000000000")
        .send()
        .await
        .unwrap();
    assert_eq!(associated.associated_faces()[0].face_id(), Some(face_id));
    assert_eq!(
        associated.unsuccessful_face_associations()[0].reasons(),
        [UnsuccessfulFaceAssociationReason::FaceNotFound]
    );
    let users = client.list_users().collection_id("crew").send().await.unwrap();
    assert_eq!(users.users()[0].user_status(), Some(&UserStatus::Active));
    let by_face = client.search_users().collection_id("crew").face_id(mirrored_id).user_match_threshold(50.0).send();
    assert_eq!(by_face.await.unwrap().user_matches()[0].user().unwrap().user_id(), Some("eileen"));
    let by_image = client.search_users_by_image().collection_id("crew").image(picture(&folder, "darker.png")).send();
    assert_eq!(by_image.await.unwrap().user_matches()[0].user().unwrap().user_id(), Some("eileen"));
    let refused = client.delete_faces().collection_id("crew").face_ids(face_id).send().await.unwrap();
    assert_eq!(refused.unsuccessful_face_deletions()[0].user_id(), Some("eileen"));
    let freed =
        client.disassociate_faces().collection_id("crew").user_id("eileen").face_ids(face_id).send().await.unwrap();
    assert_eq!(freed.disassociated_faces()[0].face_id(), Some(face_id));
    client.delete_user().collection_id("crew").user_id("eileen").send().await.unwrap();
    let deleted = client.delete_faces().collection_id("crew").face_ids(face_id).send().await.unwrap();
    assert_eq!(deleted.deleted_faces(), [face_id]);

    client.tag_resource().resource_arn(arn).tags("c", "d").send().await.unwrap();
    client.untag_resource().resource_arn(arn).tag_keys("a").send().await.unwrap();
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags().unwrap().iter().collect::<Vec<_>>(), [(&"c".to_owned(), &"d".to_owned())]);
    client.delete_collection().collection_id("crew").send().await.unwrap();
    let gone = client.describe_collection().collection_id("crew").send().await;
    assert!(gone.unwrap_err().into_service_error().is_resource_not_found_exception());
}
