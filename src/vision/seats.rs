//! The bounded pool: one seat per core, a bounded queue before it.
