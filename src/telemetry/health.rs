//! Readiness: what the operator still waits for, in sentences.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Named conditions of readiness. The process is ready when every gate is passed.
#[derive(Debug, Default)]
pub struct Health {
    gates: Mutex<BTreeMap<&'static str, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    passed: bool,
    note: Option<String>,
}

impl Health {
    /// Health with these gates, none passed.
    pub fn new(gates: &[&'static str]) -> Self {
        Self { gates: Mutex::new(gates.iter().map(|name| (*name, Gate::default())).collect()) }
    }

    /// Passes a gate. It stays passed until [`Health::block`].
    pub fn pass(&self, gate: &'static str) {
        self.with(gate, |gate| *gate = Gate { passed: true, note: None });
    }

    /// Closes a gate, with the reason. Answers whether that is news.
    pub fn block(&self, gate: &'static str, note: &str) -> bool {
        self.with(gate, |gate| {
            let news = gate.passed || gate.note.as_deref() != Some(note);
            *gate = Gate { passed: false, note: Some(note.to_owned()) };
            news
        })
    }

    /// Notes what is wrong at a gate, without closing it: a watch that was ready stays so through an outage. Answers
    /// whether that is news.
    pub fn note(&self, gate: &'static str, note: &str) -> bool {
        self.with(gate, |gate| {
            let news = gate.note.as_deref() != Some(note);
            gate.note = Some(note.to_owned());
            news
        })
    }

    /// What readiness still waits for; empty if the process is ready.
    pub fn waiting(&self) -> Vec<String> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = gates.iter().filter(|(_, gate)| !gate.passed);
        waiting
            .map(|(name, gate)| gate.note.clone().unwrap_or_else(|| format!("Waiting for the first list of {name}.")))
            .collect()
    }

    fn with<T>(&self, name: &'static str, change: impl FnOnce(&mut Gate) -> T) -> T {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        // Unknown names are noted too, but do not stand in the way: only the gates given at the start do.
        change(gates.entry(name).or_insert(Gate { passed: true, note: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_gate_is_passed() {
        let health = Health::new(&["a", "b"]);
        assert_eq!(health.waiting().len(), 2);
        health.pass("a");
        assert!(health.block("b", "No region."));
        assert!(!health.block("b", "No region."), "no news");
        assert_eq!(health.waiting(), ["No region."]);
        health.pass("b");
        health.note("a", "a hiccup");
        health.note("extra", "another");
        assert!(health.waiting().is_empty());
    }
}
