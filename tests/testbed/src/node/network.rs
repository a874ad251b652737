//! The network of a node: servers of this machine are made reachable in it, and those in it for this machine.

use std::{
    fs::File,
    net::{self, SocketAddr, TcpListener},
    os::fd::AsFd,
    path::Path,
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
};

/// The network of a process.
#[derive(Clone, Copy, Debug)]
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
    pub(super) fn forward(self, address: SocketAddr, server: SocketAddr) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listen(address)?)?;
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(())
    }

    /// Lets clients of `socket` name an address in this network and connects them with it, as an HTTP proxy does, for as
    /// long as the runtime of the caller lives.
    pub(super) fn open(self, socket: &Path) -> Result<()> {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(self.tunnel(client));
            }
        });
        Ok(())
    }

    /// Serves one request with the method CONNECT (RFC 9110, section 9.3.6).
    async fn tunnel(self, client: UnixStream) -> Result<()> {
        let mut client = BufReader::new(client);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            ensure!(client.read_line(&mut request).await? > 0, "the request has no end");
        }
        let address: SocketAddr = request.split(' ').nth(1).context("no address")?.parse()?;
        let connect = move || self.within(move || Ok(net::TcpStream::connect(address)?));
        let server = tokio::task::spawn_blocking(connect).await??;
        server.set_nonblocking(true)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        copy_bidirectional(&mut client, &mut TcpStream::from_std(server)?).await?;
        Ok(())
    }

    /// Binds a listener in this network.
    fn listen(self, address: SocketAddr) -> Result<TcpListener> {
        self.within(move || {
            let listener = TcpListener::bind(address).with_context(|| address.to_string())?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })
    }

    /// Makes a socket in this network. It stays there, whoever uses it then.
    fn within<T: Send + 'static>(self, make: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let network = format!("/proc/{}/ns/net", self.process);
        // A thread of its own, since it cannot be sure to get back.
        let enter_and_make = move || {
            let file = File::open(&network).with_context(|| network.clone())?;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).context(network)?;
            make()
        };
        thread::spawn(enter_and_make).join().map_err(|_| anyhow!("the thread in the node's network panicked"))?
    }
}
