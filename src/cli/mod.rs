//! One file per command; this one parses the arguments, runs one command and sets the exit code.
//!
//! Answers go to stdout, everything else (progress, warnings, errors) to stderr. Commands reach the
//! service in process, through [`crate::operations::Service::execute`], on the data directory.

mod audit;
mod backup;
mod bench;
mod calibrate;
mod collections;
mod compare;
mod detect;
mod draw;
mod evaluate;
mod faces;
mod failure;
mod house;
pub mod import;
mod index;
mod interrupt;
mod keys;
mod models;
mod output;
mod policy;
mod reload;
mod restore;
mod rules;
mod s3;
mod search;
mod serve;
mod setup;
mod usage;
mod users;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand};

#[doc(hidden)]
pub use evaluate::accepts_manifest;

use failure::Outcome;

/// Shown by `--help`; the numbers are those of [`failure::Ending`] and [`failure::Failure`].
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; one line on stderr says why
  2    the command line is wrong
  3    nothing found: no face in the picture, or nobody matches
  4    some pictures were refused; the rest is done
  5    the data directory is in use by another trombi
  130  interrupted; run the same command again to go on";

/// Find, enrol and recognise faces on your own machine.
#[derive(Debug, Parser)]
#[command(name = "trombi", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Data directory: collections, keys, and what set-up fetched [default: the platform's]
    #[arg(long, global = true, env = "TROMBI_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with the networks' files, looked at before anything is fetched
    #[arg(long, global = true, env = "TROMBI_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// Pack of networks to use [default: what the data directory has written down, or else `retail`]
    #[arg(long, global = true, env = "TROMBI_PACK", value_name = "NAME")]
    pack: Option<String>,
    /// Accept a licence that forbids commercial use, by its name; recorded with the date
    #[arg(long, global = true, value_name = "NAME")]
    accept_licence: Vec<String>,
    /// Never fetch anything; fail instead
    #[arg(long, global = true)]
    offline: bool,
    /// Print JSON in the API's own shapes instead of text for people
    #[arg(long, global = true)]
    json: bool,
    /// Pictures worked on at once [default: the number of cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Say more on stderr (-v, -vv)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Colours on the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find or fetch the inference runtime and the networks, and verify every file
    Setup(setup::Arguments),
    /// Find faces in pictures
    Detect(detect::Arguments),
    /// Compare the largest face of one picture with every face of another
    Compare(compare::Arguments),
    /// Create, list, describe and delete collections
    Collections(collections::Arguments),
    /// Enrol the faces of pictures and folders in a collection
    Index(index::Arguments),
    /// Enrol faces that another program has embedded: encodings of face_recognition
    Import(import::Arguments),
    /// Who is in the picture: search a collection for its largest face
    Search(search::Arguments),
    /// List and delete enrolled faces, find people who are enrolled twice
    Faces(faces::Arguments),
    /// List the users of a collection
    Users(users::Arguments),
    /// Create, list and revoke the access keys that SDKs sign with
    Keys(keys::Arguments),
    /// List, install, verify and remove packs of networks, show their cards, measure them
    Models(models::Arguments),
    /// Explain, test and compare rules: who may do what, for what, until when
    Policy(policy::Arguments),
    /// Serve the API over HTTP
    Serve(serve::Arguments),
    /// Write everything that is kept into one file
    Backup(backup::Arguments),
    /// Make a new data directory from a backup file
    Restore(restore::Arguments),
    /// Verify, read and prove the record of every request
    Audit(audit::Arguments),
    /// Count what was used, from the record of every request
    Usage(usage::Arguments),
    /// Cosign the record of another server, or have this one's cosigned
    Witness(witness::Arguments),
    /// Measure error rates on labelled pictures, with a report
    Evaluate(evaluate::Arguments),
    /// Measure speed on this machine
    Bench(bench::Arguments),
    /// Fit what similarities stand for, on labelled pictures or a collection
    Calibrate(calibrate::Arguments),
}

/// Parses the arguments and runs one command.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.global);
    match dispatch(&cli) {
        Ok(ending) => ending.exit_code(),
        // The reader of our answer went away (`| head`): that is no failure of ours.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::error_line(&failure.to_string());
            failure.exit_code()
        }
    }
}

fn dispatch(cli: &Cli) -> Outcome {
    let global = &cli.global;
    match &cli.command {
        Command::Setup(arguments) => setup::run(global, arguments),
        Command::Detect(arguments) => detect::run(global, arguments),
        Command::Compare(arguments) => compare::run(global, arguments),
        Command::Collections(arguments) => collections::run(global, arguments),
        Command::Index(arguments) => index::run(global, arguments),
        Command::Import(arguments) => import::run(global, arguments),
        Command::Search(arguments) => search::run(global, arguments),
        Command::Faces(arguments) => faces::run(global, arguments),
        Command::Users(arguments) => users::run(global, arguments),
        Command::Keys(arguments) => keys::run(global, arguments),
        Command::Models(arguments) => models::run(global, arguments),
        Command::Policy(arguments) => policy::run(global, arguments),
        Command::Serve(arguments) => serve::run(global, arguments),
        Command::Backup(arguments) => backup::run(global, arguments),
        Command::Restore(arguments) => restore::run(global, arguments),
        Command::Audit(arguments) => audit::run(global, arguments),
        Command::Usage(arguments) => usage::run(global, arguments),
        Command::Witness(arguments) => witness::run(global, arguments),
        Command::Evaluate(arguments) => evaluate::run(global, arguments),
        Command::Bench(arguments) => bench::run(global, arguments),
        Command::Calibrate(arguments) => calibrate::run(global, arguments),
    }
}

fn start_log(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "trombi=info,warn",
        (false, 2) => "trombi=debug,info",
        (false, _) => "trace",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("TROMBI_LOG").unwrap_or_else(|_| level.parse().unwrap_or_default());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::stderr_has_colour(global.color));
    // Fails only when a log exists already, as in tests.
    let _ = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn argument_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_are_taken_after_the_command() {
        let cli = Cli::try_parse_from(["trombi", "collections", "list", "--json", "--data", "d", "--threads", "3"]);
        let global = cli.unwrap().global;
        assert!(global.json);
        assert_eq!(global.threads, Some(3));
        assert_eq!(global.data, Some(PathBuf::from("d")));
    }

    #[test]
    fn zero_threads_are_a_usage_error() {
        assert!(Cli::try_parse_from(["trombi", "--threads", "0", "collections", "list"]).is_err());
    }
}
