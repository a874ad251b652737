//! Tables of what rules grant and what they refuse: each row is a rule, a namespace, what an object of it asks for, and the
//! answer. Requests go through the planning of specs, as those of objects do.

mod arns;
mod keys;
mod names;
mod namespaces;
mod paths;
mod references;
mod table;

use crate::domain::policy_tables::table::Tally;

#[test]
fn rules_grant_what_the_tables_say() {
    let mut tally = Tally::default();
    for table in [arns::check, keys::check, names::check, namespaces::check, paths::check, references::check] {
        let before = tally.rows;
        table(&mut tally);
        assert!(tally.rows > before + 20, "a table is short");
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert!(tally.rows >= 200, "only {} rows", tally.rows);
}
