//! Clients of the HTTP pages that only hold connections.

use std::net::TcpStream;

use anyhow::{Context, Result};

use crate::support::World;

#[tokio::test]
async fn idle_connections_do_not_stop_probes_nor_use_up_descriptors() -> Result<()> {
    let world = World::start().await?;
    let operator = world.operator();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(operator.address())).collect::<Result<_, _>>()?;
    for page in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(operator.get(page).await?.0, 200, "{page}");
    }
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", operator.process().id())).context("no /proc")?.count();
    assert!(descriptors < 128, "{descriptors} open descriptors with {} connections", idle.len());
    Ok(())
}
