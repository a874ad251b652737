//! What do objects of External Secrets Operator (ESO) mean here? Its manifests become ours, exactly or not at all: what has no
//! equivalent is reported, and nothing is lost in silence.
//!
//! Facts about ESO are those of its code: the types in `apis/externalsecrets`, the controller in `pkg/controllers`, and the
//! provider in `providers/v1/aws/parameterstore`.
//!
//! | File | Question |
//! | --- | --- |
//! | `translation` | Which object reads from which store, and what may it read there? |
//! | `external_secret`, `sources`, `target` | Which parameters become which Secret? |
//! | `store` | Where is it read, and as whom? |
//! | `access` | What is the least that has to be granted? |
//! | `parameter`, `property`, `find`, `rewrite`, `interval`, `template` | How is one text of theirs written here? |
//! | `group`, `fields`, `note`, `metadata` | What was read, and what is said of the rest? |
//! | `successors` | Does each store get a name that no other has? |

mod access;
mod external_secret;
mod fields;
mod find;
pub(crate) mod group;
mod interval;
mod metadata;
pub(crate) mod note;
mod parameter;
mod property;
mod rewrite;
mod sources;
mod store;
mod successors;
mod target;
mod template;
pub(crate) mod translation;
