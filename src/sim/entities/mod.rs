//! Runtime defined entities.

/// A behavior invocation that ends later.
#[derive(Debug)]
pub(crate) enum Due {}

/// All entities.
#[derive(Debug, Default)]
pub(crate) struct Entities {}
