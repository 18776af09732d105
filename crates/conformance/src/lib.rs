//! Does a plugin keep its promises?
