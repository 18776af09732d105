//! Does the real binary do what its users rely on?
//!
//! Each module is one promise to a user. All are one test binary, so that the harness is built and linked once.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod authority;
mod batches;
mod blob_crashes;
mod brokers;
mod bulk;
mod bulk_crashes;
mod change_events;
mod cli_commands;
mod cli_demo;
mod cli_listen;
mod cli_publish;
mod cli_tls;
mod configuration;
mod crashes;
mod fixtures;
mod full_disk;
mod idle;
mod long_history;
mod messages;
mod metrics;
mod nacks;
mod namespaces;
mod operating;
mod parked;
mod policies;
mod power_cut;
mod processes;
mod publishing_socket;
mod queries;
mod raw_answers;
mod raw_forgotten;
mod raw_frames;
mod raw_late;
mod raw_memory;
mod raw_queries;
mod raw_refusals;
mod raw_shapes;
mod raw_starts;
mod raw_upgrade;
mod raw_violations;
mod readme;
mod request_reply;
mod rest_errors;
mod schemathesis;
mod sdk;
mod sdk_surface;
mod sending_errors;
mod shutdown;
mod socket_errors;
mod spi;
mod stopped;
mod subscriptions;
mod takeover;
mod ui_calls;
mod under_load;
mod webhooks;
