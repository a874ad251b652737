//! A tree, drawn with lines.

use serde::Serialize;

use crate::domain::report::text::printable;

/// Something and what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Node {
    /// What it is.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: String,
    /// What else is known of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Creates a node without children.
    pub(super) fn new(kind: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, name: name.into(), detail: detail.into(), children: Vec::new() }
    }

    /// Returns the lines of the tree.
    pub(super) fn draw(&self) -> Vec<String> {
        let mut lines = vec![self.label()];
        for (index, child) in self.children.iter().enumerate() {
            let is_last = index + 1 == self.children.len();
            let (first, rest) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let drawn = child.draw().into_iter().enumerate();
            lines.extend(drawn.map(|(line, text)| format!("{}{text}", if line == 0 { first } else { rest })));
        }
        lines
    }

    fn label(&self) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        printable(format!("{} {}{detail}", self.kind, self.name).trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lead_from_each_node_to_its_children() {
        let mut tree = Node::new("Store", "s", "Ready");
        let mut object = Node::new("Object", "a", "");
        object.children = vec![Node::new("key", "K\u{1b}", ""), Node::new("key", "L", "")];
        tree.children = vec![object.clone(), object];
        let expected = [
            "Store s: Ready",
            "├─ Object a",
            "│  ├─ key K ",
            "│  └─ key L",
            "└─ Object a",
            "   ├─ key K ",
            "   └─ key L",
        ];
        assert_eq!(tree.draw(), expected);
    }
}
