//! How much memory does a subscription take for which nothing happens?
//!
//! The bytes that are allocated and not freed, whatever an allocator and the system make of them.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use photinus_engine::EngineConfig;
use stats_alloc::Region;

use crate::client::Starter;
use crate::server::Server;
use crate::{ALLOCATOR, ONE_AT_A_TIME};

/// Most bytes for an ephemeral subscription with a filter of its own. What an allocator adds, which rounds up, comes on top:
/// a tenth to a third.
const EPHEMERAL_BYTES_MAX: usize = 1_500;

const SOCKETS: usize = 100;
/// Tables grow by doubling: with so many, one shard's are as full as those of two shards with eight times as many are.
const STARTS: usize = 125;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_ephemeral_subscription_takes_no_more_memory_than_it_may() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::default();
    config.shards = 1;
    let server = Server::start(data.path(), config);
    let mut starters: Vec<Starter> = (0..SOCKETS)
        .map(|socket| Starter::new(server.address, socket * STARTS..(socket + 1) * STARTS))
        .collect();
    starters.iter_mut().for_each(|starter| starter.start(1));
    wait_for(&server, SOCKETS);

    let region = Region::new(ALLOCATOR);
    starters
        .iter_mut()
        .for_each(|starter| starter.start(STARTS - 1));
    let all = SOCKETS * STARTS;
    wait_for(&server, all);
    let change = region.change();
    let kept = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    let blocks = change.allocations.saturating_sub(change.deallocations);
    let (each, blocks) = (
        kept / (all - SOCKETS),
        blocks as f64 / (all - SOCKETS) as f64,
    );
    println!("an idle ephemeral subscription: {each} bytes in {blocks:.2} pieces");
    drop(starters);
    server.end();
    assert!(each <= EPHEMERAL_BYTES_MAX, "{each} bytes each");
}

fn wait_for(server: &Server, subscriptions: usize) {
    #[expect(clippy::disallowed_methods, reason = "a test gives up some time")]
    let started = Instant::now();
    while server.ephemerals() < subscriptions as f64 {
        assert!(
            started.elapsed() < PATIENCE,
            "{} are served",
            server.ephemerals()
        );
        std::thread::yield_now();
    }
}
