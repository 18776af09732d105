//! What does a frame of a WebSocket client say?

use photinus_api::fuzzing::spi_frame;
use photinus_transport_websockets::fuzzing::frame;

use crate::{errors, in_time};

/// `start`, `ack` and `nack`, and the `start` of the SPI.
pub fn frames(input: &[u8]) {
    in_time(input, || {
        let read = frame(input);
        match &read {
            Ok(said) => assert!(!said.is_empty()),
            Err(error) => {
                errors::check(error);
                assert!(["", "FF10177"].contains(&error.code()), "{error}");
            }
        }
        // White space around a frame says nothing.
        let spaced = [b" \n", input, b"\t\r\n"].concat();
        match (read, frame(&spaced)) {
            (Ok(said), again) => assert_eq!(again.as_ref(), Ok(&said)),
            (Err(_), again) => assert!(again.is_err(), "{again:?}"),
        }
        match (spi_frame(input), spi_frame(&spaced)) {
            (Ok(said), again) => assert_eq!(again.unwrap(), said),
            (Err(_), again) => assert!(again.is_err(), "{again:?}"),
        }
    });
}
