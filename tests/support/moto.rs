//! An S3 server that is not ours.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::clients::{clients, run};

/// Running moto; killed when dropped.
pub struct Moto {
    child: Child,
    /// For example `http://127.0.0.1:41234`.
    pub endpoint: String,
}

impl Moto {
    /// Starts on a free port; it answers some time later, and [`Moto::put`] waits for that.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(clients().python.with_file_name("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), endpoint: format!("http://127.0.0.1:{port}") }
    }

    /// Puts a file into a bucket, which is made where there is none.
    pub fn put(&self, bucket: &str, key: &str, file: &Path) {
        let put = ["tests/clients/put_object.py", &self.endpoint, bucket, key];
        run(Command::new(&clients().python).args(put).arg(file));
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
