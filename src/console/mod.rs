//! The pages for people: files that the program carries, and nothing else.
//!
//! They run in a browser and speak the public API there, signed like any other client's requests; this room knows
//! neither the server nor the API. `docs/console.md` says what they do and why they are made as they are.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// What a page may load and do: files of this server, pictures that the person has chosen, and its camera.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; connect-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Path at which the server tells the pages whether requests must be signed, `{"SignedRequests":true}`.
pub const SERVER: &str = "/console/server.json";

/// One file of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its contents.
    pub bytes: &'static [u8],
    /// Its media type.
    pub content_type: &'static str,
    /// Its name among versions, for `ETag`, quotes included.
    pub etag: &'static str,
}

/// The file at `path`, if there is one: `/` or one below `/console/`.
#[must_use]
pub fn page(path: &str) -> Option<Page> {
    let (_, etag) = ETAGS.iter().find(|(known, _)| *known == path)?;
    let (_, bytes) = FILES.iter().find(|(known, _)| *known == path)?;
    Some(Page { bytes, content_type: content_type(path), etag })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

static ETAGS: LazyLock<Vec<(&str, String)>> =
    LazyLock::new(|| FILES.iter().map(|(path, file)| (*path, etag(file))).collect());

fn etag(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    let mut text = String::from("\"");
    for byte in &digest[..12] {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text + "\""
}

/// One line a file: its path on the server is its name below `/console/`.
macro_rules! files {
    ($($name:literal,)*) => {
        &[
            ("/", include_bytes!("web/index.html")),
            $((concat!("/console/", $name), include_bytes!(concat!("web/", $name))),)*
        ]
    };
}

static FILES: &[(&str, &[u8])] = files! {
    "api.js",
    "chooser.js",
    "collection.js",
    "collections.js",
    "crops.js",
    "dialog.js",
    "element.js",
    "en.json",
    "enrol.js",
    "face_card.js",
    "faces.js",
    "failure.js",
    "fr.json",
    "grouping.js",
    "icon.svg",
    "keys.js",
    "odds.js",
    "people.js",
    "picture.js",
    "record.js",
    "search.js",
    "session.js",
    "sign_in.js",
    "sigv4.js",
    "stage.js",
    "start.js",
    "style.css",
    "try.js",
    "words.js",
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// Bytes of all files together: a promise of the project.
    const BYTES_MAX: usize = 300_000;

    #[test]
    fn every_file_is_carried_and_together_they_are_small() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console/web");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let expected: BTreeSet<String> =
            names.map(|name| if name == "index.html" { "/".to_owned() } else { format!("/console/{name}") }).collect();
        let carried: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, expected);
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for (path, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let allowed = ["http://www.w3.org/2000/svg", "http://127.0.0.1", "http://localhost"];
            let addresses = text.match_indices("://").map(|(at, _)| {
                let start = text[..at].rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |i| i + 1);
                &text[start..]
            });
            let foreign = addresses.filter(|address| !allowed.iter().any(|known| address.starts_with(known)));
            let foreign: Vec<String> = foreign.map(|address| address.chars().take(60).collect()).collect();
            assert!(foreign.is_empty(), "{path} names {foreign:?}");
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(word), "{path} has `{word}`: a name could become markup");
            }
        }
    }

    #[test]
    fn pages_are_found_by_their_whole_path_alone() {
        assert_eq!(page("/").unwrap().content_type, "text/html; charset=utf-8");
        assert_eq!(page("/console/style.css").unwrap().content_type, "text/css; charset=utf-8");
        assert_ne!(page("/").unwrap().etag, page("/console/style.css").unwrap().etag);
        for path in ["", "/console", "/console/", "/index.html", "/console/index.html", "/console/../style.css", "//"] {
            assert_eq!(page(path), None, "{path}");
        }
    }
}
