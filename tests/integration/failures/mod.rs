//! What each failure of AWS leaves behind: conditions that say what to do, an unchanged Secret, an Event, and audit
//! records that match those of AWS.

mod credentials;
mod denied;
mod keys;
mod missing;
mod outage;
mod rechecks;
mod sessions;
mod status_writes;
