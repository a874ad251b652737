//! Leadership: whether this process may write, and what refuses to send for one that may not.

mod body;
mod right;

pub(crate) use body::LeaderBody;
pub(crate) use right::{Leadership, NotLeading};
