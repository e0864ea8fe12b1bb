//! The official clients, prepared once under `target/clients` and found again without the network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Exact versions, so that a run next year judges by the same clients.
const PYTHON_PACKAGES: &[&str] = &["boto3==1.44.5", "awscli==1.46.3", "moto[server]==5.1.22", "scikit-image==0.26.0", "pillow==12.2.0"];
const NPM_PACKAGES: &[&str] = &["@aws-sdk/client-rekognition@3.1142.0"];
