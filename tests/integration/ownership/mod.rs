//! Whose Secret it is: owners, Secrets shared by consent, and changes made by others.

mod drift;
mod merge;
mod owner;
