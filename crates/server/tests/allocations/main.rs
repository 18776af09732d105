//! How many allocations does a message cost, and how many a delivery?
//!
//! The parts are put together as the server does it, in this process, with the database on the disk, and every allocation
//! of every thread is counted. The client makes none of its own while it counts. The numbers are those of a steady
//! state: what is allocated once for a connection or a group is spread over thousands of events.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod client;
mod idle;
mod server;

use std::alloc::System;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use photinus_engine::EngineConfig;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use self::server::Server;

/// Most allocations for a message that is published in bulk, from its bytes to its answer.
const PUBLISHED_MAX: f64 = 11.0;
/// Most for an event that is delivered over a WebSocket and acknowledged, if it is among the newest.
const DELIVERED_MAX: f64 = 0.6;
/// The same if it has to be read from the store.
const DELIVERED_FROM_STORE_MAX: f64 = 3.5;

/// Events that are counted.
const EVENTS: usize = 4_000;
/// They are published in so many uploads, of which the cheapest counts: on a machine that is busy with something else less
/// comes together, and what is allocated once for a group is spread over fewer messages.
const UPLOADS: usize = 4;
/// So many, if none of them was cheap enough.
const UPLOADS_MAX: usize = 2 * UPLOADS;
/// Those before, until everything has the size that it keeps.
const WARM_UP: usize = 1_000;
/// Those after, so that as much is read ahead at the end as at the beginning.
const AHEAD: usize = 500;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is counted is that of all threads.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Allocations of all threads while this works on so many events, for each of them.
fn counted(what: &str, events: usize, work: impl FnOnce()) -> f64 {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    let each = |count: usize| count as f64 / events as f64;
    let (new, grown) = (each(change.allocations), each(change.reallocations));
    let bytes = each(change.bytes_allocated);
    println!("{what}: {new:.2} allocations and {grown:.2} that grew, {bytes:.0} bytes");
    new + grown
}

/// Counts what a subscription of this name costs that drains what is stored.
fn drained(what: &str, address: SocketAddr, name: &str) -> f64 {
    let mut socket = client::subscribed(address, name);
    socket.drain(WARM_UP);
    counted(what, EVENTS, || socket.drain(EVENTS))
}

#[test]
fn messages_and_deliveries_allocate_no_more_than_they_may() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), EngineConfig::default());
    let address = server.address;
    client::Upload::new(address, WARM_UP).run();
    let mut published = f64::INFINITY;
    for number in 0..UPLOADS_MAX {
        if number < UPLOADS || published > PUBLISHED_MAX {
            let upload = client::Upload::new(address, EVENTS / UPLOADS);
            let each = counted("published", EVENTS / UPLOADS, || upload.run());
            published = published.min(each);
        }
    }
    client::Upload::new(address, AHEAD).run();
    let delivered = drained("delivered, newest", address, "newest");
    server.end();

    let server = Server::start(data.path(), EngineConfig::default());
    let from_store = drained("delivered, stored", server.address, "stored");
    server.end();

    assert!(published <= PUBLISHED_MAX, "{published} a message");
    assert!(delivered <= DELIVERED_MAX, "{delivered} a delivery");
    assert!(
        from_store <= DELIVERED_FROM_STORE_MAX,
        "{from_store} a delivery from the store"
    );
}
