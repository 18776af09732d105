//! How does code of the same process listen to events?
