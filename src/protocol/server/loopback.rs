//! Which `Host` a server without signatures answers to: a web page may make its own name point at 127.0.0.1 and
//! then read what a loopback server says (DNS rebinding), but it cannot make a browser send another `Host`.

use std::net::{IpAddr, Ipv6Addr};

use hyper::http::request::Parts;

/// Whether every name that the request gives for this server is a loopback name.
pub(super) fn is_addressed(parts: &Parts) -> bool {
    let hosts: Vec<&[u8]> = parts.headers.get_all(hyper::header::HOST).iter().map(|value| value.as_bytes()).collect();
    let [host] = hosts[..] else { return false };
    let target = parts.uri.authority().is_none_or(|authority| is_loopback(authority.as_str()));
    target && std::str::from_utf8(host).is_ok_and(is_loopback)
}

/// `localhost`, `127.x.y.z` or `[::1]`, with or without a port.
fn is_loopback(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return port && address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    let known = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
    known && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_alone_are_loopback() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.8.9.1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        let others = ["", "example.com", "localhost.example.com", "127.0.0.1.example.com:80", "10.0.0.1", "[::2]:80"];
        for host in others.into_iter().chain(["0.0.0.0:80", "localhost:80@x", "[::1]x", "[::1", "user@localhost"]) {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
