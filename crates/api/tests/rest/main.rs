//! Does the REST surface keep to FireFly's, over a real engine?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod api;
mod blobs;
mod bulk;
mod cloudevents;
mod data;
mod datatypes;
mod firefly_pages;
mod groups;
mod history;
mod http_rules;
mod listeners;
mod lists;
mod messages;
mod metrics;
mod mounts;
mod namespaces;
mod openapi;
mod origins;
mod pause;
mod request_reply;
mod secret;
mod seek;
mod subscriptions;
mod trial;
mod ui;
