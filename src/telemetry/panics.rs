//! Panics: where they happened is logged, and never what they say, since that may quote a value.

use std::{cell::RefCell, panic};

use crate::api::Reason;

thread_local! {
    /// The place of the last panic of this thread.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the hook of the standard library, which prints the message of a panic.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |location| short(location.file(), location.line()));
        let reason = Reason::InternalError.as_str();
        tracing::error!(
            place,
            reason,
            "panicked: a bug of the operator; the message is withheld, since it may quote a value"
        );
        LAST.set(Some(place));
    }));
}

/// Takes the place of the last panic of this thread, as file and line.
pub(crate) fn take_place() -> String {
    LAST.take().filter(|place| !place.is_empty()).unwrap_or_else(|| "an unknown place".to_owned())
}

/// Shortens the path of a source file to the crate and what is below. Where the crate was built is nobody's business.
fn short(file: &str, line: u32) -> String {
    // Sources of dependencies are in ~/.cargo/registry/src/<registry>/<crate>/, those of std in /rustc/<commit>/.
    let within = ["/registry/src/", "/rustc/"].iter().find_map(|root| file.split_once(root)?.1.split_once('/'));
    format!("{}:{line}", within.map_or(file, |(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_tell_where_they_were_built() {
        for (file, expected) in [
            ("src/domain/secret/render.rs", "src/domain/secret/render.rs:7"),
            ("/build/cargo/registry/src/index.crates.io-1949/minijinja-3.0.0/src/vm.rs", "minijinja-3.0.0/src/vm.rs:7"),
            ("/rustc/0123abcd/library/core/src/str/mod.rs", "library/core/src/str/mod.rs:7"),
        ] {
            assert_eq!(short(file, 7), expected);
        }
    }

    #[test]
    fn a_thread_without_a_panic_knows_no_place() {
        assert_eq!(take_place(), "an unknown place");
    }
}
