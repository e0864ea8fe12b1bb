//! Findings as a person reads them: on the terminal, and as one HTML file.

mod html;
mod plot;
mod text;

pub(super) use html::html;
pub(super) use text::text;
