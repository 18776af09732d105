//! Does anything from outside make a parser panic?
