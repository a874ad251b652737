//! Globs on names: `*` and `?` stop at `/`, `**` does not. Braces are refused; a backslash is literal. A glob is compiled to
//! a regular expression that is matched in linear time.

use globset::{GlobBuilder, GlobMatcher};

/// Compiles a glob.
///
/// # Errors
/// Says what is wrong with the glob, without a full stop.
pub(crate) fn compile(glob: &str) -> Result<GlobMatcher, String> {
    if glob.contains(['{', '}']) {
        return Err(format!("glob {glob} has braces, which are not allowed"));
    }
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("glob {glob} is not valid: {}", error.kind()))
}
