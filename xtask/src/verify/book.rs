//! The pages of `docs/` build as a book without a warning, and a browser shows its start page.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use super::{Outcome, Step, root};
use crate::process::{cargo, command, output, run};

/// mdBook from its crate. Without the features that serve and watch, it builds in half the time.
const MDBOOK: [&str; 8] = [
    "install",
    "--locked",
    "--version=0.5.4",
    "--no-default-features",
    "--features=search",
    "--root=target/tools",
    "mdbook",
    "--quiet",
];
/// Browsers that make a screenshot without a screen.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];
/// Where the screenshot goes, for people to look at.
const SCREENSHOT: &str = "target/verify/book.png";
/// An empty page of this size has about a twentieth of these bytes.
const LEAST_BYTES: u64 = 50_000;

pub const STEP: Step = Step {
    name: "book",
    claim: "mdBook builds the pages without a warning, and a browser shows the start page.",
    run: || {
        run(cargo().args(MDBOOK))?;
        let built = command(root().join("target/tools/bin/mdbook"))
            .arg("build")
            .output()
            .context("mdbook cannot be started")?;
        let log = String::from_utf8_lossy(&built.stderr).into_owned() + &String::from_utf8_lossy(&built.stdout);
        let is_clean = built.status.success() && !log.contains("WARN") && !log.contains("ERROR");
        ensure!(is_clean, "mdbook build is not clean:\n{log}");
        let folder = root().join("target/book");
        let pages = fs::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path());
        let count = pages.filter(|path| path.extension().is_some_and(|extension| extension == "html")).count();
        let Some(browser) = BROWSERS.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
        else {
            return Ok(Outcome::Passed(format!("{count} pages; no screenshot, for no browser is there")));
        };
        let size = screenshot(browser, &folder.join("index.html").display().to_string())?;
        Ok(Outcome::Passed(format!("{count} pages; screenshot of {size} bytes in {SCREENSHOT}")))
    },
};

/// Makes the screenshot and returns its size.
fn screenshot(browser: &str, page: &str) -> Result<u64> {
    let file = root().join(SCREENSHOT);
    fs::create_dir_all(file.parent().context("a folder")?)?;
    let _ = fs::remove_file(&file);
    let mut shoot = command(browser);
    // Without its sandbox, which containers do not allow. The page is our own.
    shoot.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1100"]);
    output(shoot.arg(format!("--screenshot={}", file.display())).arg(format!("file://{page}")))?;
    let size = fs::metadata(&file).context("the browser made no screenshot")?.len();
    ensure!(size > LEAST_BYTES, "the screenshot has only {size} bytes, so the start page is empty");
    Ok(size)
}
