//! The official Rust SDK pointed at a server of ours.

use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::config::retry::RetryConfig;
use aws_sdk_rekognition::config::{BehaviorVersion, Credentials, Region};

/// Plain HTTP, no retries: a test wants to see each answer.
pub fn client(endpoint: &str, access_key_id: &str, secret_access_key: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_rekognition::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new(access_key_id, secret_access_key, None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .http_client(http)
        .build();
    Client::from_conf(config)
}
