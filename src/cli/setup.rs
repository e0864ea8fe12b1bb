//! `trombi setup`: finds or fetches every file, and prints what is used from where.

use clap::Args;

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::models::{Installed, Thoroughness};

/// Options of `setup`.
#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn run(global: &Global, _arguments: &Arguments) -> Outcome {
    let installed = match &global.pack {
        // Asked for by name, it is what later starts use as well.
        Some(pack) => house::choose_aloud(global, pack)?,
        None => house::install_aloud(global, Thoroughness::Full)?,
    };
    if global.json {
        output::line(&format!("{:#}", as_json(&installed)))?;
    } else {
        print(&installed)?;
    }
    Ok(Ending::Done)
}

fn print(installed: &Installed) -> Result<(), Failure> {
    output::lines(&summary(installed))
}

/// What is installed, and where, one line each.
pub(super) fn summary(installed: &Installed) -> Vec<String> {
    let rows = [
        ("pack", format!("{} ({})", installed.pack, installed.licence)),
        ("runtime", installed.runtime_library.display().to_string()),
        ("detector", installed.detector.file.display().to_string()),
        ("embedder", installed.embedder.file.display().to_string()),
        ("model", format!("{} (version {})", installed.embedder_contract.model_id, installed.model_version)),
    ];
    rows.iter().map(|(what, value)| format!("{what:<10}{value}")).collect()
}

fn as_json(installed: &Installed) -> serde_json::Value {
    serde_json::json!({
        "Pack": installed.pack,
        "Licence": installed.licence,
        "RuntimeLibrary": installed.runtime_library.to_string_lossy(),
        "Detector": installed.detector.file.to_string_lossy(),
        "Embedder": installed.embedder.file.to_string_lossy(),
        "ModelId": installed.embedder_contract.model_id.as_str(),
        "FaceModelVersion": installed.model_version,
    })
}
