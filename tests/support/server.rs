//! A started `trombi serve`, as a user starts it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// For example `http://127.0.0.1:41234`.
    pub endpoint: String,
    /// The key it printed.
    pub access_key_id: String,
    /// The secret it printed; empty when the data directory had a key already.
    pub secret_access_key: String,
    /// Every line that it printed up to the endpoint.
    pub printed: Vec<String>,
    /// From process start until the endpoint was printed.
    pub ready_after: Duration,
}

/// Settings every test program shares: where networks and runtime are found.
pub fn trombi(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trombi"));
    command.arg("--data").arg(data).env_remove("AWS_ACCESS_KEY_ID");
    super::installed::found_by(&mut command);
    command
}

impl Server {
    /// Starts on a free port of the loopback interface and waits for the printed endpoint.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let started = Instant::now();
        let mut child = trombi(data)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self {
            child,
            endpoint: String::new(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
            printed: Vec::new(),
            ready_after: Duration::ZERO,
        };
        for line in lines.by_ref() {
            let line = line.unwrap();
            server.printed.push(line.clone());
            let value = |name: &str| line.trim().strip_prefix(&format!("export {name}=")).map(str::to_owned);
            if let Some(key) = value("AWS_ACCESS_KEY_ID") {
                server.access_key_id = key;
            } else if let Some(secret) = value("AWS_SECRET_ACCESS_KEY") {
                server.secret_access_key = secret;
            } else if let Some(endpoint) = value("AWS_ENDPOINT_URL_REKOGNITION") {
                server.endpoint = endpoint;
                break;
            }
        }
        assert!(!server.endpoint.is_empty(), "the server ended before it printed its endpoint");
        server.ready_after = started.elapsed();
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        server
    }

    /// The environment an official client needs.
    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ACCESS_KEY_ID", &self.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret_access_key)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_REKOGNITION", &self.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "127.0.0.1")
    }

    /// The process, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
