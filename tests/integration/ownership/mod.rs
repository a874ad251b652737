//! Who owns a Secret: owners, Secrets shared by consent, changes made by others, and suspended objects.

mod drift;
mod merge;
mod owner;
mod suspend;
mod two_operators;
