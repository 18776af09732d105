//! Is what the demonstration shows true, and is nothing left of it?

use std::path::Path;

use photinus_e2e::{DataDirectory, Shell, wait_until};

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn the_demonstration_is_true_and_can_be_read_in_a_pipe() {
    let place = DataDirectory::new();
    let shell = Shell::bare()
        .variable("TMPDIR", place.path().to_str().unwrap())
        // What is meant for another server does not reach the one of the demonstration.
        .variable("PHOTINUS_URL", "http://127.0.0.1:1")
        .variable("PHOTINUS_NAMESPACE", "elsewhere");
    let told = shell.prints(&["demo", "--quick"]);
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(told.contains("kill -9"), "{told}");
    for order in 7..=10 {
        let delivered = format!("→ order {order:<2}  delivered");
        assert_eq!(told.matches(&delivered).count(), 2, "{told}");
    }
    assert!(
        told.contains("✓ 12 orders published, 12 acknowledged, in order."),
        "{told}"
    );
    assert!(is_empty(place.path()), "something is left");
}

#[test]
fn an_interrupted_demonstration_leaves_nothing() {
    let place = DataDirectory::new();
    let shell = Shell::bare().variable("TMPDIR", place.path().to_str().unwrap());
    let demo = shell.start(&["demo"]);
    wait_until("its server to have a directory", || !is_empty(place.path()));
    while !demo.line().contains("order 1 ") {}
    let children = format!("/proc/{0}/task/{0}/children", demo.id());
    let server = std::fs::read_to_string(children).unwrap().trim().to_owned();
    assert!(!server.is_empty(), "it has a server");
    demo.interrupt();
    assert_eq!(demo.end().status.code(), Some(130));
    assert!(is_empty(place.path()), "something is left");
    assert!(
        !Path::new(&format!("/proc/{server}")).exists(),
        "its server still runs"
    );
}
