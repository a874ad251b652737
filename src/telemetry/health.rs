//! Readiness: which conditions the process still waits for, in sentences.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Named conditions of readiness, called gates. The process is ready when every gate is open.
#[derive(Debug, Default)]
pub(crate) struct Health {
    gates: Mutex<BTreeMap<String, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    open: bool,
    problem: Option<String>,
}

impl Health {
    /// Creates these gates, all closed.
    pub(crate) fn new(gates: &[&'static str]) -> Self {
        Self { gates: Mutex::new(gates.iter().map(|name| ((*name).to_owned(), Gate::default())).collect()) }
    }

    /// Opens a gate. It stays open until [`Health::close`].
    pub(crate) fn open(&self, gate: &str) {
        self.update(gate, |gate| *gate = Gate { open: true, problem: None });
    }

    /// Closes a gate because of `problem`. Returns whether that is a change.
    pub(crate) fn close(&self, gate: &str, problem: &str) -> bool {
        self.update(gate, |gate| {
            let changed = gate.open || gate.problem.as_deref() != Some(problem);
            *gate = Gate { open: false, problem: Some(problem.to_owned()) };
            changed
        })
    }

    /// Records a problem without closing the gate: a watch that was ready stays ready during an outage. Returns whether
    /// that is a change.
    pub(crate) fn warn(&self, gate: &str, problem: &str) -> bool {
        self.update(gate, |gate| {
            let changed = gate.problem.as_deref() != Some(problem);
            gate.problem = Some(problem.to_owned());
            changed
        })
    }

    /// Returns one sentence for each closed gate. Empty if the process is ready.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let gates = self.gates.lock();
        let waiting = gates.iter().filter(|(_, gate)| !gate.open);
        waiting
            .map(|(name, gate)| {
                gate.problem.clone().unwrap_or_else(|| format!("Waiting for the first list of {name}."))
            })
            .collect()
    }

    fn update<T>(&self, name: &str, change: impl FnOnce(&mut Gate) -> T) -> T {
        // A gate that was not named at the start begins open: its problems are recorded and never delay readiness.
        change(self.gates.lock().entry(name.to_owned()).or_insert(Gate { open: true, problem: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_gate_is_open() {
        let health = Health::new(&["a", "b"]);
        assert_eq!(health.waiting().len(), 2);
        health.open("a");
        assert!(health.close("b", "No region."));
        assert!(!health.close("b", "No region."), "no change");
        assert_eq!(health.waiting(), ["No region."]);
        health.open("b");
        health.warn("a", "a hiccup");
        health.warn("extra", "another");
        assert!(health.waiting().is_empty());
    }
}
