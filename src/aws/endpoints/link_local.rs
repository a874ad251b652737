//! Keeps calls to endpoints that a store names away from link-local addresses. There the metadata services of nodes and
//! the agents of pods listen, which give credentials to whoever can reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::net::lookup_host;

/// Reports whether an address is link-local: `169.254.0.0/16` (RFC 3927), `fe80::/10` (RFC 4291), or `fd00:ec2::/32`, where
/// AWS puts the same services (Amazon EC2 User Guide, "Instance metadata"; Amazon EKS User Guide, "Pod Identity Agent").
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            first & 0xffc0 == 0xfe80
                || (first, second) == (0xfd00, 0x0ec2)
                || embedded(address).is_some_and(|address| address.is_link_local())
        }
    }
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped or compatible (RFC 4291), or translated by NAT64 (RFC
/// 6052).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d] = [address.octets()[12], address.octets()[13], address.octets()[14], address.octets()[15]];
    let is_embedding = matches!(address.segments()[..6], [0, 0, 0, 0, 0, 0 | 0xffff] | [0x0064, 0xff9b, 0, 0, 0, 0]);
    is_embedding.then_some(Ipv4Addr::new(a, b, c, d))
}

/// Resolves names as the system does.
#[derive(Clone, Debug)]
pub(in crate::aws) struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Drops link-local addresses from what another resolver returns.
#[derive(Clone, Debug)]
pub(in crate::aws) struct WithoutLinkLocal<R>(pub(in crate::aws) R);

impl<R: ResolveDns> ResolveDns for WithoutLinkLocal<R> {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let mut addresses = self.0.resolve_dns(name).await?;
            let before = addresses.len();
            addresses.retain(|address| !is_link_local(*address));
            if addresses.is_empty() && before > 0 {
                let problem = format!("{name} has link-local addresses only, and these are never called");
                return Err(ResolveDnsError::new(problem));
            }
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_known_in_every_form() {
        for (address, expected) in [
            ("169.254.0.0", true),
            ("169.254.169.254", true),
            ("169.254.170.23", true),
            ("169.254.255.255", true),
            ("169.253.255.255", false),
            ("169.255.0.0", false),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("fe80::1", true),
            ("febf:ffff::1", true),
            ("fec0::1", false),
            ("fd00:ec2::254", true),
            ("fd00:ec2::23", true),
            ("fd00:ec2:ffff::1", true),
            ("fd00:ec3::23", false),
            ("fd01:ec2::23", false),
            ("::ffff:169.254.169.254", true),
            ("::ffff:a9fe:a9fe", true),
            ("::169.254.169.254", true),
            ("64:ff9b::169.254.169.254", true),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("::1", false),
            ("2600:1f14::1", false),
        ] {
            assert_eq!(is_link_local(address.parse().expect("an address")), expected, "{address}");
        }
    }
}
