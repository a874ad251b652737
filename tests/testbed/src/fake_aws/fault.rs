//! What goes wrong on purpose.

use super::error::AwsError;

/// A failure to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, HTTP 400.
    Throttle,
    /// The service's own internal error, HTTP 500.
    Internal,
    /// HTTP 503 with a body that is no JSON, as a load balancer gives it. Leaves no record.
    Unavailable,
    /// TCP reset instead of an answer. The call is not carried out.
    Reset,
    /// Orderly close instead of an answer. The call is not carried out.
    Close,
    /// No answer until the faults are cleared; then the call is carried out.
    Hang,
    /// The call is carried out and recorded, but its answer breaks off in the middle.
    Malformed,
}

struct Planned {
    operation: String,
    fault: Fault,
    left: usize,
}

/// Faults still to come, in the order they were planned.
#[derive(Default)]
pub(super) struct Faults {
    planned: Vec<Planned>,
}

impl Faults {
    /// The next `count` calls of the operation fail; `*` is any operation, `usize::MAX` is until cleared.
    pub fn plan(&mut self, operation: &str, fault: Fault, count: usize) {
        self.planned.push(Planned { operation: operation.to_owned(), fault, left: count });
    }

    /// Nothing fails any more.
    pub fn clear(&mut self) {
        self.planned.clear();
    }

    /// The fault of this call, if one is due.
    pub fn take(&mut self, operation: &str) -> Option<Fault> {
        // KMS calls inside SSM carry a prefix and are not met by `*`, which is about calls on the wire.
        let meets = |planned: &Planned| {
            planned.operation == operation || (planned.operation == "*" && !operation.contains(':'))
        };
        let at = self.planned.iter().position(|planned| planned.left > 0 && meets(planned))?;
        let planned = &mut self.planned[at];
        if planned.left != usize::MAX {
            planned.left -= 1;
        }
        Some(planned.fault)
    }
}

/// The answer of a throttled call.
pub(super) fn throttled() -> AwsError {
    AwsError::new("ThrottlingException", "Rate exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_and_kept_in_order() {
        let mut faults = Faults::default();
        faults.plan("GetParameters", Fault::Throttle, 2);
        faults.plan("*", Fault::Reset, usize::MAX);
        assert_eq!(faults.take("GetParameters"), Some(Fault::Throttle));
        assert_eq!(faults.take("DescribeKey"), Some(Fault::Reset));
        assert_eq!(faults.take("GetParameters"), Some(Fault::Throttle));
        assert_eq!(faults.take("GetParameters"), Some(Fault::Reset));
        assert_eq!(faults.take("kms:Decrypt"), None);
        faults.clear();
        assert_eq!(faults.take("GetParameters"), None);
    }
}
