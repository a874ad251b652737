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
    /// Calls that still pass before the first one fails.
    passing: usize,
    left: usize,
}

/// Faults still to come, in the order they were planned.
#[derive(Default)]
pub(super) struct Faults {
    planned: Vec<Planned>,
}

impl Faults {
    /// After `passing` more calls of the operation, the next `count` fail; `*` is any operation, `usize::MAX` is until
    /// cleared.
    pub fn plan(&mut self, operation: &str, passing: usize, fault: Fault, count: usize) {
        self.planned.push(Planned { operation: operation.to_owned(), fault, passing, left: count });
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
        let mut due = None;
        for planned in self.planned.iter_mut().filter(|planned| meets(planned)) {
            // A call that fails for another reason is counted too.
            if planned.passing > 0 {
                planned.passing -= 1;
            } else if due.is_none() && planned.left > 0 {
                due = Some(planned.fault);
                if planned.left != usize::MAX {
                    planned.left -= 1;
                }
            }
        }
        due
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
        faults.plan("GetParameters", 0, Fault::Throttle, 2);
        faults.plan("*", 0, Fault::Reset, usize::MAX);
        assert_eq!(faults.take("GetParameters"), Some(Fault::Throttle));
        assert_eq!(faults.take("DescribeKey"), Some(Fault::Reset));
        assert_eq!(faults.take("GetParameters"), Some(Fault::Throttle));
        assert_eq!(faults.take("GetParameters"), Some(Fault::Reset));
        assert_eq!(faults.take("kms:Decrypt"), None);
        faults.clear();
        assert_eq!(faults.take("GetParameters"), None);
    }

    #[test]
    fn a_fault_waits_for_its_call() {
        let mut faults = Faults::default();
        faults.plan("GetParameters", 2, Fault::Reset, 1);
        faults.plan("GetParameters", 0, Fault::Throttle, 1);
        let mut take = |operation: &str| faults.take(operation);
        assert_eq!(take("DescribeKey"), None);
        let taken = [take("GetParameters"), take("GetParameters"), take("GetParameters"), take("GetParameters")];
        assert_eq!(taken, [Some(Fault::Throttle), None, Some(Fault::Reset), None]);
    }
}
