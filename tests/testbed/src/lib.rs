//! Real parts for tests and for the demo: a Kubernetes control plane, a fake AWS, and moto as second opinion.
//!
//! | Module | What it starts or holds |
//! | --- | --- |
//! | `tools` | builds and finds programs: control plane, kubectl, helm, moto's virtual environment |
//! | `process` | child processes that end with whoever started them |
//! | `control_plane` | etcd, kube-apiserver, kube-controller-manager, RBAC on |
//! | `fake_aws` | SSM, KMS and STS on loopback, with real ciphertext and a CloudTrail-shaped recorder |
//! | `wait` | waiting for conditions instead of for times |
//! | `moto` | moto's server, an independent second opinion on the wire format |

pub mod control_plane;
pub mod fake_aws;
pub mod moto;
pub mod process;
pub mod tools;
pub mod wait;
