//! `trombi witness`: cosign the ledgers of others, and have one's own cosigned.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::audit::public_key;
use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, interrupt, output};
use crate::ledger::note::{KeyKind, PublicKey};
use crate::ledger::witness::{KnownWitness, Witness, add_witness, known_witnesses};
use crate::ledger::{Durability, Folder, Ledger, PUBLIC_KEY, Reader};
use crate::protocol::witness::{WitnessServer, ask};

/// Options of `witness`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Cosign the checkpoints of logs that others run, after checking that they only grew
    Serve(ServeArguments),
    /// Have this server's ledger cosigned by a witness from now on
    Add {
        /// Address of the witness, without `/add-checkpoint`
        url: String,
        /// The witness's public key: its text, or a file with it
        #[arg(value_parser = public_key)]
        key: PublicKey,
    },
    /// List the witnesses of this server's ledger
    List,
    /// Ask all witnesses now; a running server does so by itself
    Ask,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Folder of the witness: its key, and what it has seen
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Name of a new witness: an address without scheme, such as `example.org/witness`
    #[arg(long, value_name = "NAME", default_value = "trombi-witness")]
    name: String,
    /// Public key of a log to watch: its text, or a file with it. Once or more; those watched before stay
    #[arg(long = "log", value_name = "KEY", value_parser = public_key)]
    logs: Vec<PublicKey>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Serve(arguments) => serve(global, arguments),
        Action::Add { url, key } => add(global, url, key),
        Action::List => list(global),
        Action::Ask => ask_all(global),
    }
}

fn serve(global: &Global, arguments: &ServeArguments) -> Outcome {
    let witness = Witness::open(&arguments.dir, &arguments.name)?;
    arguments.logs.iter().try_for_each(|log| witness.watch(log))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let server = runtime.block_on(WitnessServer::bind(arguments.listen))?;
    output::lines(&[
        format!("witness    {}", witness.public_key()),
        format!("listening  http://{}", server.address()),
    ])?;
    if witness.logs().is_empty() {
        output::note(global, "no log is watched yet; name one with --log KEY");
    }
    runtime.block_on(server.serve(Arc::new(witness), async {
        interrupt::signal().await;
    }));
    Ok(Ending::Done)
}

fn folder(global: &Global) -> Result<PathBuf, Failure> {
    Ok(house::data_dir(global)?.join("ledger"))
}

fn add(global: &Global, url: &str, key: &PublicKey) -> Outcome {
    if key.kind() != KeyKind::Witness {
        return Err(Failure::Usage(format!("`{key}` is not the key of a witness")));
    }
    let folder = folder(global)?;
    // Rules may want a witness before the first request, so that there may be no ledger yet.
    if !folder.join(PUBLIC_KEY).is_file() {
        Ledger::open(&folder, Durability::Disk)?.close()?;
    }
    let log = Reader::open(&Folder(folder.clone()))?.public_key().clone();
    let witness = KnownWitness { key: key.clone(), url: url.trim_end_matches('/').to_owned() };
    add_witness(&folder, witness)?;
    output::note(global, &format!("the ledger is shown to {} from now on, which must watch `{log}`", key.name()));
    Ok(Ending::Done)
}

fn list(global: &Global) -> Outcome {
    let witnesses = known_witnesses(&folder(global)?)?;
    if global.json {
        let members: Vec<_> = witnesses.iter().map(|w| json!({ "Key": w.key.to_string(), "Url": w.url })).collect();
        output::line(&format!("{:#}", json!({ "Witnesses": members })))?;
        return Ok(Ending::Done);
    }
    let rows: Vec<_> =
        witnesses.iter().map(|w| vec![w.key.name().to_owned(), w.url.clone(), w.key.to_string()]).collect();
    output::lines(&output::table(&["witness", "address", "key"], &rows))?;
    Ok(Ending::Done)
}

fn ask_all(global: &Global) -> Outcome {
    let folder = folder(global)?;
    let witnesses = known_witnesses(&folder)?;
    if witnesses.is_empty() {
        return Err(Failure::other("there are no witnesses; add one with `trombi witness add URL KEY`"));
    }
    let ledger = Ledger::open(&folder, Durability::Disk)?;
    let mut refused = 0;
    for witness in &witnesses {
        let line = match ask(&ledger, witness) {
            Ok(size) => format!("{} has cosigned {size} entries", witness.key.name()),
            Err(error) => {
                refused += 1;
                format!("{} has not: {error}", witness.key.name())
            }
        };
        output::line(&line)?;
    }
    match refused {
        0 => Ok(Ending::Done),
        count => Err(Failure::other(format!("{count} of {} witnesses have not cosigned", witnesses.len()))),
    }
}
