//! meerkat's [`HostStore`] on a redis_mob namespace, by straight RESP.
//!
//! docs/rust_host_store.md says what is sent and answered, docs/contract/host.md what holds.

mod encoding;
mod server;
mod sessions;
mod store;

pub use store::RedisHostStore;
