//! The reader of Parameter Store: what the controller asks, and the port through which AWS answers. Knows no AWS crate.

mod error;
mod port;
mod quota;
mod reader;

pub use error::ReadError;
pub use port::{Answer, Call, Parameter, ParameterApi};
pub use quota::{Quotas, TokenBucket};
pub use reader::{Reader, Reading};
