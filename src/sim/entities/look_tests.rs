//! What a look sees, and what it cannot.
