//! Leader election: of several operators one works, the others stand by, and one of them takes over when it ends, however it
//! ends.
//!
//! | Module | Content |
//! | --- | --- |
//! | `replicas` | starts operators that can be told apart, and knows who led when |
//! | `load` | objects that change all the time |
//! | `restarts` | workloads that are restarted, each once for each change |
//! | `standby` | what a standby does: nothing |
//! | `takeover` | how long it takes until another one leads |
//! | `rolling` | an upgrade of the Deployment |
//! | `counts` | what a takeover costs |
//! | `fencing` | a leader that was paused writes nothing afterwards |
//! | `renewal` | a leader that cannot renew, or hangs |
//! | `unelected` | two operators without election |
//! | `shards` | operators that share a cluster by labels |
//! | `random` | takeovers of all kinds, one after the other |

mod counts;
mod fencing;
mod load;
mod random;
mod renewal;
mod replicas;
mod restarts;
mod rolling;
mod shards;
mod standby;
mod takeover;
mod unelected;
