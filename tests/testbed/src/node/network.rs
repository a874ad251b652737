//! Servers of this machine, made reachable in the network of a node.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    thread,
};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;

/// The network of a process.
#[derive(Debug)]
pub(super) struct Network {
    process: u32,
}

impl Network {
    /// The network that a process is in.
    pub(super) fn of(process: u32) -> Self {
        Self { process }
    }

    /// Listens at `address` in this network and passes each connection to `server`, which listens on this machine, for as
    /// long as the runtime of the caller lives.
    pub(super) fn forward(&self, address: SocketAddr, server: SocketAddr) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listen(address)?)?;
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(())
    }

    /// Binds a listener in this network. A socket stays in the network in which it was made, whoever uses it then.
    fn listen(&self, address: SocketAddr) -> Result<TcpListener> {
        let network = format!("/proc/{}/ns/net", self.process);
        // A thread of its own, since it cannot be sure to get back.
        let bind = move || {
            let file = File::open(&network).with_context(|| network.clone())?;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).context(network)?;
            let listener = TcpListener::bind(address).with_context(|| address.to_string())?;
            listener.set_nonblocking(true)?;
            anyhow::Ok(listener)
        };
        thread::spawn(bind).join().map_err(|_| anyhow!("the thread that listens at {address} panicked"))?
    }
}
