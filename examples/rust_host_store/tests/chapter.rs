//! The check that meerkat has for the store of a host: Core's own documents of 20 MiB, through two restarts.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use meerkat_core::host_store::{HostStore, HostStoreError};
use meerkat_runtime::store::spi::chapter::{HostStoreOpener, large_documents};

struct Opener(&'static str);

#[async_trait]
impl HostStoreOpener for Opener {
    async fn open(&self) -> Result<Arc<dyn HostStore>, HostStoreError> {
        Ok(Arc::new(common::open(self.0).await))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_documents_come_back_byte_exact() {
    let checked = large_documents(&Opener("large_documents_come_back_byte_exact")).await;
    assert_eq!(checked, Ok(()));
}
