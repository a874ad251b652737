//! Every command line of the pages runs: block after block, as somebody would who reads from top to bottom.
//!
//! A page has a cluster of its own (see [`lab::Lab`]). A block of YAML between the commands is applied. Blocks that need
//! more than this machine has are marked in their first line, for example ```` ```sh needs-aws ````.

mod external_secrets;
mod lab;
mod node;
pub mod shell;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};

use self::{external_secrets::Before, lab::Lab};
use super::pages::Page;

/// How many pages are tried at a time.
const AT_A_TIME: usize = 3;

/// `PAGE=docs/values.md` tries this page alone.
#[tokio::test]
async fn every_command_of_the_pages_works() -> Result<()> {
    let only = std::env::var("PAGE").ok();
    let is_wanted = |page: &Page| only.as_ref().is_none_or(|only| page.path.as_os_str() == only.as_str());
    let pages: Vec<_> = Page::all()?.into_iter().filter(|page| is_wanted(page)).collect();
    let tried = stream::iter(pages).map(async |page| (page.path.clone(), try_page(&page).await));
    let results: Vec<_> = tried.buffer_unordered(AT_A_TIME).collect().await;
    let count: usize = results.iter().filter_map(|(_, result)| result.as_ref().ok()).sum();
    let failed = results.iter().filter_map(|(_, result)| result.as_ref().err());
    let failed: Vec<_> = failed.map(|error| format!("{error:#}")).collect();
    ensure!(failed.is_empty(), "{} pages fail:\n{}", failed.len(), failed.join("\n"));
    ensure!(only.is_some() || count >= 20, "only {count} blocks were found");
    Ok(())
}

/// Runs the blocks of a page. Returns how many there are.
async fn try_page(page: &Page) -> Result<usize> {
    let blocks = page.blocks()?;
    let commands = blocks.iter().filter(|block| block.language == "sh" && block.mark.is_empty()).count();
    if commands == 0 {
        return Ok(0);
    }
    let mut lab = Lab::start(page, &blocks).await?;
    let is_move = page.path == Path::new(external_secrets::PAGE);
    let before = if is_move { Some(Before::prepare(&lab).await?) } else { None };
    for block in blocks.iter().filter(|block| block.mark.is_empty()) {
        match block.language.as_str() {
            "sh" => lab.run(block).await?,
            "yaml" => lab.apply(block).await?,
            _ => {}
        }
    }
    if let Some(before) = before {
        before.check().await.with_context(|| page.path.display().to_string())?;
    }
    Ok(commands)
}
