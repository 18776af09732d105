//! Does a start cost the same, however much is stored?

use photinus_e2e::{Server, StopSignal, Upload};
use serde_json::json;

use crate::raw_memory::proc_number;

/// A message whose record takes some KiB.
fn lines(count: usize) -> String {
    let value = "x".repeat(3 << 10);
    let line = json!({"header": {"tag": "t"}, "data": [{"value": value}]}).to_string() + "\n";
    line.repeat(count)
}

/// What a start has read by the time that the server listens, and the memory that it has then; in bytes.
fn start_again(server: &mut Server) -> (u64, u64) {
    server.stop(StopSignal::Term);
    server.start_again();
    let read = proc_number(server, "io", "rchar:");
    (read, proc_number(server, "status", "VmRSS:") << 10)
}

#[test]
fn a_start_reads_and_keeps_nothing_of_what_is_stored() {
    const STORED: usize = 10_000;
    // A part of what is stored, and far more than two starts differ by.
    const MORE_MAX: u64 = 4 << 20;
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    assert_eq!(Upload::chunked(server.address()).all(&lines(10)).len(), 10);
    let (read_before, memory_before) = start_again(&mut server);

    let upload = Upload::chunked(server.address());
    assert_eq!(upload.all(&lines(STORED)).len(), STORED);
    let (read, memory) = start_again(&mut server);
    let database = std::fs::read_dir(server.data()).unwrap().flatten();
    let stored: u64 = database.map(|file| file.metadata().unwrap().len()).sum();
    assert!(stored > 8 * MORE_MAX, "only {stored} bytes are stored");
    assert!(
        read < read_before + MORE_MAX,
        "it read {read} bytes, and {read_before} when little was stored"
    );
    assert!(
        memory < memory_before + MORE_MAX,
        "it has {memory} bytes of memory, and {memory_before} when little was stored"
    );
}
