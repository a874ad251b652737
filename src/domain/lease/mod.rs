//! WHO leads? Leader election with a Lease, as clients of Kubernetes do it (client-go, `tools/leaderelection`).

pub(crate) mod elector;
pub(crate) mod record;
pub(crate) mod timing;

#[cfg(test)]
mod tests;
