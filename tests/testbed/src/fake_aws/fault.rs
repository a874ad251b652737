//! Injected faults.

use super::error::AwsError;

/// A failure to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, HTTP 400.
    Throttle,
    /// The service's own internal error, HTTP 500.
    Internal,
    /// HTTP 503 with a body that is not JSON, as from a load balancer. The call is not recorded.
    Unavailable,
    /// TCP reset instead of a response. The call is not executed.
    Reset,
    /// Connection closed instead of a response. The call is not executed.
    Close,
    /// No response until the faults are cleared. Then the call is executed.
    Hang,
    /// The call is executed and recorded, but its response is truncated.
    Malformed,
    /// The call is executed and recorded, but its response is an empty JSON object.
    Empty,
}

/// The name under which faults of calls that assume a role are planned.
pub(super) fn of_role(arn: &str) -> String {
    format!("role:{arn}")
}

struct Planned {
    operation: String,
    fault: Fault,
    /// Number of calls that succeed before the first failure.
    passing: usize,
    left: usize,
}

/// Planned faults, in order.
#[derive(Default)]
pub(super) struct Faults {
    planned: Vec<Planned>,
}

impl Faults {
    /// Plans that after `passing` more calls of the operation, the next `count` fail. `*` means any operation, and
    /// `usize::MAX` means until the faults are cleared.
    pub(super) fn plan(&mut self, operation: &str, passing: usize, fault: Fault, count: usize) {
        self.planned.push(Planned { operation: operation.to_owned(), fault, passing, left: count });
    }

    /// Removes all faults.
    pub(super) fn clear(&mut self) {
        self.planned.clear();
    }

    /// The fault of this call, if one is due.
    pub(super) fn take(&mut self, operation: &str) -> Option<Fault> {
        // KMS calls of SSM and roles have a prefix. They do not match `*`, which means calls on the wire.
        let meets = |planned: &Planned| {
            planned.operation == operation || (planned.operation == "*" && !operation.contains(':'))
        };
        let mut due = None;
        for planned in self.planned.iter_mut().filter(|planned| meets(planned)) {
            // A call that fails for another reason counts too.
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

/// The error of a throttled call.
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
