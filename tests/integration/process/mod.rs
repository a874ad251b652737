//! The operator as a process: start, environment, HTTP pages, restart and end.

mod api_server;
mod audit_pipe;
mod bulkheads;
mod connections;
mod environment;
mod node_role;
mod pages;
mod quota_share;
mod readiness;
mod relist;
mod restart;
mod shutdown;
mod startup_errors;
mod tls;
