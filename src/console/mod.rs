//! The pages for people: files that the program carries, and nothing else.
//!
//! They run in a browser and speak the public API there, signed like any other client's requests; this room knows
//! neither the server nor the API. `docs/console.md` says what they do and why they are made as they are.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

/// What a browser that has never been here must have before it shows anything comes in one answer: the style, the
/// English words, and whether requests must be signed.
const INDEX: &str = include_str!("web/index.html");
const STYLE: &str = include_str!("web/style.css");
const ENGLISH: &str = include_str!("web/en.json");

/// One file of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its contents.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub content_type: &'static str,
    /// Its name among versions, for `ETag`, quotes included.
    pub etag: String,
}

/// The files of one server's console.
#[derive(Debug)]
pub struct Console {
    pages: Vec<(&'static str, Page)>,
    policy: String,
}

impl Console {
    /// `signed_requests` tells the pages whether the server wants requests signed.
    #[must_use]
    pub fn new(signed_requests: bool) -> Self {
        let index = Cow::Owned(index(signed_requests).into_bytes());
        let files = FILES.iter().map(|(path, bytes)| (*path, Cow::Borrowed(*bytes)));
        let page = |(path, bytes): (_, Cow<'static, [u8]>)| {
            (path, Page { content_type: content_type(path), etag: etag(&bytes), bytes })
        };
        Self { pages: std::iter::once(("/", index)).chain(files).map(page).collect(), policy: policy() }
    }

    /// The file at `path`, if there is one: `/` or one below `/console/`.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<&Page> {
        self.pages.iter().find(|(known, _)| *known == path).map(|(_, page)| page)
    }

    /// The content security policy, for the header of that name: what a page may load and do. That is files of this
    /// server, the page's own style, pictures that the person has chosen, and the camera.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

fn policy() -> String {
    let style = STANDARD.encode_to_string(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'sha256-{style}'; img-src 'self' blob: data:; \
         connect-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn index(signed_requests: bool) -> String {
    // Data, not script; but no text may end the element.
    let words = ENGLISH.replace('<', "\\u003c");
    INDEX
        .replace("{{signed requests}}", if signed_requests { "true" } else { "false" })
        .replace("{{style.css}}", STYLE)
        .replace("{{en.json}}", &words)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

fn etag(bytes: &[u8]) -> String {
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
        let in_the_index = ["index.html", "style.css", "en.json"];
        let apart = names.filter(|name| !in_the_index.contains(&name.as_str()));
        let expected: BTreeSet<String> = apart.map(|name| format!("/console/{name}")).chain(["/".to_owned()]).collect();
        let console = Console::new(true);
        let carried: BTreeSet<String> = console.pages.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, expected);
        let bytes: usize = console.pages.iter().map(|(_, page)| page.bytes.len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for (path, page) in Console::new(true).pages {
            let text = std::str::from_utf8(&page.bytes).unwrap();
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

    /// Of two imports at once of a module that stands on one that awaits while it is loaded, WebKit lets the second go on
    /// too early.
    #[test]
    fn no_module_awaits_while_it_is_loaded() {
        for (path, bytes) in FILES.iter().filter(|(path, _)| content_type(path).starts_with("text/javascript")) {
            for line in std::str::from_utf8(bytes).unwrap().lines() {
                let waits =
                    line.find("await ").is_some_and(|at| !line[..at].contains("=>") && !line[..at].contains('{'));
                let inside = line.starts_with([' ', '}', '/']) || line.contains("async function");
                assert!(!waits || inside, "{path}: {line}");
            }
        }
    }

    #[test]
    fn pages_are_found_by_their_whole_path_alone() {
        let console = Console::new(true);
        assert_eq!(console.page("/").unwrap().content_type, "text/html; charset=utf-8");
        assert_eq!(console.page("/console/start.js").unwrap().content_type, "text/javascript; charset=utf-8");
        assert_ne!(console.page("/").unwrap().etag, console.page("/console/start.js").unwrap().etag);
        for path in ["", "/console", "/console/", "/index.html", "/console/index.html", "/console/../start.js", "//"] {
            assert_eq!(console.page(path), None, "{path}");
        }
    }

    #[test]
    fn the_index_has_what_the_first_page_needs() {
        let pages = [true, false].map(|signed| {
            let console = Console::new(signed);
            let page = console.page("/").unwrap().clone();
            (String::from_utf8(page.bytes.into_owned()).unwrap(), page.etag)
        });
        for ((page, _), signed) in pages.iter().zip(["true", "false"]) {
            assert!(page.contains(&format!("name=\"trombi-signed-requests\" content=\"{signed}\"")), "{page}");
            assert!(!page.contains("{{"), "a place was left open");
            let (_, rest) = page.split_once("<script type=\"application/json\" id=\"words\">").unwrap();
            let (words, _) = rest.split_once("</script>").unwrap();
            let words: serde_json::Value = serde_json::from_str(words).unwrap();
            assert_eq!(words, serde_json::from_str::<serde_json::Value>(ENGLISH).unwrap());
        }
        assert_ne!(pages[0].1, pages[1].1, "a browser would keep the other server's page");
    }

    #[test]
    fn languages_have_the_same_words() {
        let keys = |text: &str| {
            let words: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
            words.into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>()
        };
        assert_eq!(keys(ENGLISH), keys(include_str!("web/fr.json")));
    }
}
