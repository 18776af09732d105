//! Does a damaged database end in an error?

use std::sync::OnceLock;

use crate::in_time;
use crate::stored::{FILE, Opened, filled};

/// Each four bytes of the input put one byte into the file of a small database: the page within the file (one
/// byte), the place in the page (two), the new value. A place beyond the page cuts the file off there.
pub fn databases(input: &[u8]) {
    in_time(input, || {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), damaged(input)).unwrap();
        match Opened::open(directory.path()) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(opened) => {
                opened.ask();
                opened.change();
                opened.ask();
                opened.close();
            }
        }
    });
}

fn damaged(input: &[u8]) -> Vec<u8> {
    const PAGE_BYTES: usize = 4096;
    let mut file = intact().to_vec();
    for patch in input.chunks_exact(4) {
        let pages = intact().len() / PAGE_BYTES;
        let page = usize::from(patch[0]) % pages;
        let place = usize::from(u16::from_le_bytes([patch[1], patch[2]]));
        let at = page * PAGE_BYTES + place % PAGE_BYTES;
        if place > 0xF000 {
            file.truncate(at);
        } else if let Some(byte) = file.get_mut(at) {
            *byte = patch[3];
        }
    }
    file
}

fn intact() -> &'static [u8] {
    static FILE_BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    FILE_BYTES.get_or_init(|| std::fs::read(filled().path().join(FILE)).unwrap())
}
