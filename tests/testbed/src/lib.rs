//! Parts of the tests and of the demo: a real Kubernetes control plane, a fake AWS, and moto.
//!
//! | Module | Content |
//! | --- | --- |
//! | `tools` | builds and finds programs: control plane, kubectl, helm, moto's virtual environment |
//! | `process` | child processes that end with the process that started them |
//! | `control_plane` | etcd, kube-apiserver, kube-controller-manager, RBAC on |
//! | `fake_aws` | SSM, KMS and STS on loopback, with real ciphertext and a CloudTrail-shaped recorder |
//! | `node` | a kubelet with containerd and runc, on Linux as root |
//! | `wait` | waits for conditions |
//! | `moto` | moto's server, an independent implementation of the AWS APIs |

pub mod control_plane;
pub mod fake_aws;
pub mod moto;
#[cfg(target_os = "linux")]
pub mod node;
pub mod process;
pub mod tools;
pub mod wait;
