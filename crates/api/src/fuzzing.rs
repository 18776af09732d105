//! What does a fuzzer read that a client of the SPI sends?
//!
//! Not for use: the parser of its frames, which is private, with what it understood.

/// What a frame of `/spi/ws` says, in words that can be compared; nothing if it is of an unknown type.
pub fn spi_frame(frame: &[u8]) -> Result<Option<String>, serde_json::Error> {
    let wanted = crate::spi::read(frame)?;
    Ok(wanted.map(|wanted| format!("{wanted:?}")))
}
