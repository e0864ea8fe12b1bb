//! `trombi policy`: what the rules say, before they are in force.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::failure::{Ending, Failure, Outcome};
use super::rules::Sets;
use super::{Global, house, output};
use crate::ledger::note::{KeyKind, SecretKey, hex};
use crate::policy::{self, Asked, Gate, PRESETS, Preset, Ruling};
use crate::store::Store;

/// Most bytes of a question's file.
const QUESTION_BYTES_MAX: usize = 64 << 10;
/// How deep folders of a set may lie.
const DEPTH_MAX: usize = 4;

/// Options of `policy`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say how a request is ruled, and by which rules
    Explain {
        /// JSON file of the request; see docs/policy.md
        request: PathBuf,
        /// Directory of the policy set, or a preset's name
        #[arg(long, value_name = "DIR", default_value = "policy")]
        policy: String,
    },
    /// Hold a set against its own table of requests, `tests.toml`
    Test {
        /// Directory of the policy set
        #[arg(default_value = "policy")]
        dir: PathBuf,
    },
    /// List the requests that two sets rule otherwise
    Diff {
        /// Directory or preset in force
        old: String,
        /// Directory or preset to come
        new: String,
    },
    /// Read a set and say what is in it, or what is wrong with it
    Check {
        /// Directory of the policy set, or a preset's name
        dir: String,
    },
    /// Agree, as an administrator, to the changed set that waits; recorded. A loosening needs two
    Approve {
        /// Who agrees
        name: String,
    },
    /// Sign a file of a set: writes FILE.note beside it, and prints the signer's entry for the set
    Sign {
        /// The file, inside its set
        file: PathBuf,
        /// File of the signer's secret key; made when there is none
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Name of a new key, such as `board.example`
        #[arg(long, value_name = "NAME", default_value = "signer")]
        name: String,
        /// Directory of the set [default: the file's folder]
        #[arg(long, value_name = "DIR")]
        policy: Option<PathBuf>,
    },
    /// List the sets that the program carries, or show one
    Presets {
        /// Show the text and files of this one
        name: Option<String>,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Explain { request, policy } => explain(global, request, policy),
        Action::Test { dir } => test(global, dir),
        Action::Diff { old, new } => diff(global, old, new),
        Action::Check { dir } => check(dir),
        Action::Approve { name } => approve(global, name),
        Action::Sign { file, key, name, policy } => sign(file, key, name, policy.as_deref()),
        Action::Presets { name } => presets(name.as_deref()),
    }
}

fn sign(file: &Path, key: &Path, name: &str, set: Option<&Path>) -> Outcome {
    let failed = |path: &Path, why: &dyn std::fmt::Display| Failure::other(format!("`{}`: {why}", path.display()));
    let key = signing_key(key, name)?;
    let bytes = house::read_bounded(file, policy::SET_BYTES_MAX).map_err(|why| failed(file, &why))?;
    let text = String::from_utf8(bytes).map_err(|_| failed(file, &"is not UTF-8"))?;
    let set = set.or(file.parent()).unwrap_or(Path::new(""));
    let named = file.strip_prefix(set).map_err(|_| failed(file, &"does not lie in the set"))?;
    let named: Vec<_> = named.iter().map(|part| part.to_string_lossy()).collect();
    let mut note = file.as_os_str().to_owned();
    note.push(".note");
    let note = PathBuf::from(note);
    fs::write(&note, policy::note::sign(&named.join("/"), &text, &key)).map_err(|e| failed(&note, &e))?;
    output::lines(&[
        format!("# wrote {}; the set must know its signer:", note.display()),
        format!("[signer.{}]", key.public().name().replace('.', "-")),
        format!("key = \"{}\"", key.public()),
    ])?;
    Ok(Ending::Done)
}

/// Reads a signer's key, or makes one that its owner alone can read.
fn signing_key(path: &Path, name: &str) -> Result<SecretKey, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::other(format!("`{}`: {why}", path.display()));
    if path.exists() {
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        return SecretKey::parse(text.trim()).map_err(|error| failed(&error));
    }
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| failed(&error))?;
    let key = SecretKey::from_seed(name, KeyKind::Log, seed).map_err(|error| failed(&error))?;
    let mut open = fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let mut file = open.open(path).map_err(|error| failed(&error))?;
    std::io::Write::write_all(&mut file, format!("{}\n", key.to_text()).as_bytes()).map_err(|error| failed(&error))?;
    Ok(key)
}

fn approve(global: &Global, name: &str) -> Outcome {
    let data_dir = house::data_dir(global)?;
    // The lock first: the set of a running server is not changed under it.
    let _store = Store::open(&data_dir)?;
    let hash = Sets::of(&data_dir).approve(name, house::now_ms())?;
    let hash = hex(&hash);
    house::record(&data_dir, "ApprovePolicy", &format!("{name} agrees to policy set {hash}"))?;
    output::note(global, &format!("{name} agrees to policy set {hash}"));
    Ok(Ending::Done)
}

/// The files of a policy set, by their names within it. Hidden files and folders are left out.
///
/// # Errors
/// What cannot be read, or is too large.
pub(super) fn read_directory(dir: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut files = Vec::new();
    let mut bytes_left = policy::SET_BYTES_MAX;
    read_folder(dir, "", DEPTH_MAX, &mut bytes_left, &mut files)?;
    files.sort_unstable();
    Ok(files)
}

fn read_folder(
    dir: &Path,
    prefix: &str,
    depth: usize,
    bytes_left: &mut usize,
    files: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::other(format!("policy set `{}`: {why}", dir.display()));
    for entry in fs::read_dir(dir).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(failed(&"a file's name is not UTF-8"));
        };
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth == 0 {
                return Err(failed(&format!("folders lie more than {DEPTH_MAX} deep")));
            }
            read_folder(&path, &format!("{prefix}{name}/"), depth - 1, bytes_left, files)?;
            continue;
        }
        if files.len() == policy::FILES_MAX {
            return Err(failed(&format!("more than {} files", policy::FILES_MAX)));
        }
        let bytes = house::read_bounded(&path, *bytes_left).map_err(|why| failed(&format!("{name}: {why}")))?;
        *bytes_left -= bytes.len();
        let text = String::from_utf8(bytes).map_err(|_| failed(&format!("{name}: is not UTF-8")))?;
        files.push((format!("{prefix}{name}"), text));
    }
    Ok(())
}

/// The gate of a directory, or of a preset where no such directory is.
fn gate(named: &str) -> Result<Gate, Failure> {
    let files = match Preset::named(named) {
        Some(preset) if !Path::new(named).is_dir() => preset.files(),
        _ => read_directory(Path::new(named))?,
    };
    Gate::from_files(&files).map_err(|error| Failure::other(format!("policy set `{named}`: {error}")))
}

fn explain(global: &Global, request: &Path, policy: &str) -> Outcome {
    let gate = gate(policy)?;
    let bytes = house::read_bounded(request, QUESTION_BYTES_MAX)
        .map_err(|why| Failure::other(format!("`{}`: {why}", request.display())))?;
    let asked: Asked =
        serde_json::from_slice(&bytes).map_err(|error| Failure::other(format!("`{}`: {error}", request.display())))?;
    let ruling = asked.ruled_by(&gate).map_err(|why| Failure::other(format!("`{}`: {why}", request.display())))?;
    if global.json {
        output::line(&format!("{:#}", json(&ruling)))?;
    } else {
        output::lines(&told(&gate, &ruling))?;
    }
    Ok(Ending::Done)
}

fn json(ruling: &Ruling) -> serde_json::Value {
    serde_json::json!({
        "Decision": if ruling.allows() { "Allow" } else { "Deny" },
        "Rules": ruling.rules,
        "Purpose": ruling.purpose.map(policy::vocabulary::Purpose::name),
        "Case": ruling.case,
        "Threshold": ruling.threshold.map(percent),
        "Floored": ruling.floored,
        "MaxFaces": ruling.faces_max,
        "Notes": ruling.notes,
    })
}

fn percent(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn told(gate: &Gate, ruling: &Ruling) -> Vec<String> {
    let decision = if ruling.allows() { "allowed" } else { "denied" };
    let mut lines = vec![format!("{decision} by {}", ruling.rules.join(", "))];
    let mut fact = |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("{name}: {value}")));
    fact("purpose", ruling.purpose.map(|purpose| purpose.to_string()));
    fact("case", ruling.case.clone());
    let floor = if ruling.floored { " (floor)" } else { "" };
    fact("threshold", ruling.threshold.map(|threshold| format!("{}{floor}", percent(threshold))));
    fact("candidates at most", ruling.faces_max.map(|most| most.to_string()));
    lines.extend(ruling.notes.iter().map(|note| format!("note: {note}")));
    for rule in &ruling.rules {
        if let Some((text, cedar)) = gate.text_of(rule) {
            lines.extend([String::new(), format!("{rule}: {text}"), cedar]);
        }
    }
    lines
}

fn test(global: &Global, dir: &Path) -> Outcome {
    let files = read_directory(dir)?;
    let Some((_, table)) = files.iter().find(|(name, _)| name == "tests.toml") else {
        return Err(Failure::other(format!("`{}` has no tests.toml", dir.display())));
    };
    let gate =
        Gate::from_files(&files).map_err(|error| Failure::other(format!("policy set `{}`: {error}", dir.display())))?;
    let results = policy::run_table(&gate, table)
        .map_err(|why| Failure::other(format!("`{}`: tests.toml: {why}", dir.display())))?;
    let failed: Vec<&policy::TestResult> = results.iter().filter(|result| !result.passes()).collect();
    for result in &failed {
        output::line(&result.to_string())?;
    }
    output::note(global, &format!("{} of {} rows hold", results.len() - failed.len(), results.len()));
    match failed.len() {
        0 => Ok(Ending::Done),
        count => Err(Failure::other(format!("{count} rows of tests.toml do not hold"))),
    }
}

fn diff(global: &Global, old: &str, new: &str) -> Outcome {
    let change = policy::compare(&gate(old)?, &gate(new)?, None)
        .map_err(|error| Failure::other(format!("cannot compare: {error}")))?;
    output::lines(&policy::lines(&change))?;
    if !change.only_tightens() {
        output::note(global, "this loosens: from profile `regulated` up it holds after seven days and two approvals");
    }
    Ok(Ending::Done)
}

fn check(dir: &str) -> Outcome {
    let gate = gate(dir)?;
    let set = gate.set();
    let mut hash = String::new();
    for byte in gate.hash() {
        let _ = write!(hash, "{byte:02x}");
    }
    let mut lines = vec![format!("profile {}", set.profile), format!("sha256 {hash}")];
    let mut count = |name: &str, count: usize| {
        if count > 0 {
            lines.push(format!("{count} {name}"));
        }
    };
    count("tenants", set.tenants.len());
    count("collections", set.collections.len());
    count("cases", set.cases.len());
    count("floors", set.floors.len());
    count("files of own rules", set.own.len());
    lines.extend(set.commitments.values().map(policy::Commitment::summary));
    output::lines(&lines)?;
    Ok(Ending::Done)
}

fn presets(name: Option<&str>) -> Outcome {
    let Some(name) = name else {
        let rows: Vec<Vec<String>> =
            PRESETS.iter().map(|preset| vec![preset.name.to_owned(), preset.summary.to_owned()]).collect();
        output::lines(&output::table(&["preset", "what it is"], &rows))?;
        return Ok(Ending::Done);
    };
    let preset = Preset::named(name)
        .ok_or_else(|| Failure::other(format!("preset `{name}` does not exist; `trombi policy presets` lists them")))?;
    for (file, text) in preset.files() {
        output::lines(&[format!("# --- {file}"), text])?;
    }
    Ok(Ending::Done)
}
