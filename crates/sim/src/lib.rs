//! Does the engine keep its promises, whatever happens?
