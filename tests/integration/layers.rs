//! The architecture, checked on the source: which folder may use which, and that no files import each other in a
//! circle.

mod imports;
mod source;

use std::path::Path;

use anyhow::Result;

use self::{imports::Imports, source::SourceFile};

/// For each layer: the other layers that it may use, and the external crates that it must not name.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("api", &[], &["aws_sdk", "aws_config", "aws_smithy", "tokio", "tracing", "secrecy"]),
    ("domain", &["api"], &["aws_sdk", "aws_config", "aws_smithy", "tokio", "tracing", "futures", "axum"]),
    ("background", &[], &["aws_sdk", "aws_config", "aws_smithy", "kube", "axum"]),
    ("leadership", &[], &["aws_sdk", "aws_config", "aws_smithy", "kube", "axum"]),
    ("parameters", &["api", "background", "domain"], &["aws_sdk", "aws_config", "aws_smithy", "kube", "axum"]),
    ("aws", &["api", "background", "domain", "leadership", "parameters"], &["kube", "axum"]),
    ("kubernetes", &["api", "background", "domain", "leadership"], &["aws_sdk", "aws_config", "aws_smithy", "axum"]),
    ("telemetry", &["api", "domain"], &["aws_sdk", "aws_config", "aws_smithy", "kube"]),
    (
        "commands",
        &["api", "background", "domain", "parameters", "aws", "kubernetes", "telemetry"],
        &["aws_sdk", "aws_config", "aws_smithy", "axum", "kube::Api", "kube::Client", "kube::client"],
    ),
    (
        "controller",
        &["api", "background", "domain", "leadership", "parameters", "aws", "kubernetes", "telemetry"],
        &["aws_sdk", "aws_config", "aws_smithy", "axum", "kube::Api", "kube::Client", "kube::client"],
    ),
];

/// Parts of `kube` that are pure, so that `domain` may use them.
const PURE_KUBE: &[&str] = &["kube::core"];

/// What pure code must not contain.
const IMPURE: &[&str] =
    &["async ", ".await", "Timestamp::now", "Instant::now", "SystemTime", "std::env", "std::fs", "std::time::Instant"];

fn product() -> Result<Vec<SourceFile>> {
    source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn folders_use_only_the_layers_below() -> Result<()> {
    let files = product()?;
    let imports = Imports::new(&files);
    for file in &files {
        let Some((layer, allowed, banned)) = LAYERS.iter().find(|(layer, ..)| file.is_in(layer)) else { continue };
        for used in imports.layers_used_by(file) {
            let may =
                used == *layer || allowed.contains(&used.as_str()) || !LAYERS.iter().any(|(name, ..)| *name == used);
            assert!(may, "{} uses {used}, which {layer} may not", file.path);
        }
        for name in *banned {
            assert!(!names(&file.code, name), "{} names {name}, which {layer} may not", file.path);
        }
        if *layer == "domain" {
            let paths = imports.external_paths(file);
            let impure = paths
                .iter()
                .find(|path| path.starts_with("kube::") && !PURE_KUBE.iter().any(|pure| path.starts_with(pure)));
            assert!(impure.is_none(), "{} uses {impure:?}, which is not pure", file.path);
        }
    }
    Ok(())
}

#[test]
fn no_files_import_each_other() -> Result<()> {
    let files = product()?;
    let circles = Imports::new(&files).circles();
    assert!(circles.is_empty(), "files import each other in a circle:\n{}", circles.join("\n"));
    Ok(())
}

#[test]
fn the_domain_is_pure() -> Result<()> {
    for file in product()?.iter().filter(|file| file.is_in("domain")) {
        for impure in IMPURE {
            assert!(!file.code.contains(impure), "{} has {impure}", file.path);
        }
    }
    Ok(())
}

#[test]
fn the_environment_is_read_in_two_files() -> Result<()> {
    for file in product()? {
        let may = ["config.rs", "cli/environment.rs"].contains(&file.path.as_str());
        assert!(may || !file.code.contains("env::var"), "{} reads the environment", file.path);
    }
    Ok(())
}

/// Reports whether code names a crate, or an item by a path such as `kube::Client`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = &code[at + name.len()..];
        let is_whole = !before.is_alphanumeric() && !matches!(before, '_' | '"' | '.' | ':');
        // The names of the AWS crates are prefixes.
        let ends = name.starts_with("aws_") || !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        is_whole && ends && (name.contains("::") || name.starts_with("aws_") || after.starts_with("::"))
    })
}

mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Vec<SourceFile> {
        source::product(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn circles(sources: &[(&str, &str)]) -> Vec<String> {
        Imports::new(&files(sources)).circles()
    }

    #[test]
    fn a_planted_circle_is_found_and_spelled_out() {
        let planted = [
            ("lib.rs", "pub mod a; pub mod b; pub mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::c::{self, C}; pub struct B(C);"),
            ("c.rs", "pub struct C; #[cfg(test)] mod tests { use super::*; } fn f() -> super::a::A { todo() }"),
        ];
        assert_eq!(circles(&planted), ["a.rs -> b.rs -> c.rs -> a.rs"]);
    }

    #[test]
    fn imports_lead_to_the_file_that_defines_the_item() {
        let through_mod = [
            ("lib.rs", "pub mod a;"),
            ("a/mod.rs", "mod one; mod two; pub use one::One; pub use self::two::*;"),
            ("a/one.rs", "use crate::a::Two; pub struct One(Two);"),
            ("a/two.rs", "pub struct Two;"),
        ];
        assert_eq!(circles(&through_mod), [""; 0]);
        let back = [through_mod[0], through_mod[1], through_mod[2], ("a/two.rs", "pub struct Two; impl super::One {}")];
        assert_eq!(circles(&back), ["a/one.rs -> a/two.rs -> a/one.rs"]);
    }

    #[test]
    fn a_re_export_is_an_import_but_a_declaration_is_not() {
        let helper = ("a/one.rs", "use crate::a::helper; pub struct One;");
        let declared = [("lib.rs", "mod a;"), ("a/mod.rs", "mod one; pub fn helper() {}"), helper];
        assert_eq!(circles(&declared), [""; 0]);
        let exported = [declared[0], ("a/mod.rs", "mod one; pub use one::One; pub fn helper() {}"), helper];
        assert_eq!(circles(&exported), ["a/mod.rs -> a/one.rs -> a/mod.rs"]);
    }

    #[test]
    fn tests_and_comments_and_texts_do_not_count() {
        let tests = [
            ("lib.rs", "mod a; mod b; #[cfg(test)] mod helpers;"),
            ("a.rs", "use crate::b::B; #[cfg(test)] mod tests { fn f() { \"}\"; } } pub struct A; // crate::b::B"),
            (
                "b.rs",
                "/// See [`crate::a::A`].\npub struct B; const S: &str = \"crate::a::A\"; #[cfg(test)] mod tests;",
            ),
            ("b/tests.rs", "use crate::a::A;"),
            ("helpers.rs", "use crate::{a::A, b::B};"),
        ];
        assert_eq!(circles(&tests), [""; 0]);
    }

    #[test]
    fn code_after_tests_is_read() {
        let code = &files(&[("a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nfn after() { env::var(\"A\") }")])[0].code;
        assert!(code.contains("env::var") && !code.contains("mod tests"), "{code}");
    }

    #[test]
    fn layers_and_crates_are_found_in_groups_and_in_paths() {
        let sources = files(&[
            ("lib.rs", "mod api; mod aws; mod domain;"),
            ("api.rs", "pub struct Reason;"),
            ("aws.rs", "pub struct Aws;"),
            ("domain.rs", "use crate::{api::Reason}; fn f(_: crate::aws::Aws, _: kube::core::Selector) {}"),
        ]);
        let imports = Imports::new(&sources);
        let domain = sources.iter().find(|file| file.path == "domain.rs").expect("a file");
        assert_eq!(imports.layers_used_by(domain), ["api".to_owned(), "aws".to_owned()].into());
        assert!(imports.external_paths(domain).contains("kube::core::Selector"));
        assert!(names(" use aws_sdk_ssm::Client;", "aws_sdk"));
        assert!(names(" x: kube::Client,", "kube::Client"));
        assert!(!names(" kubernetes::Value", "kube"));
    }
}
