//! Stores, scopes and batches for tests, and a proxy that loses replies.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use meerkat_core::host_store::{
    CommitBatch, CommitId, FenceTiming, FenceToken, HostStore, Row, RowIndex, ScopeKind, ScopeName, ScopeRef,
    ScopeUpdate, ScopeVersion,
};
use rust_host_store::RedisHostStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

/// Where run_tests.py has started a server.
pub fn url() -> String {
    std::env::var("HOST_STORE_URL").expect("HOST_STORE_URL: start the tests with run_tests.py")
}

/// The default timing, and time for a commit on a busy machine.
pub fn timing() -> FenceTiming {
    FenceTiming::default()
        .try_with_max_commit_latency(Duration::from_secs(20))
        .unwrap()
}

pub async fn open(namespace: &str) -> RedisHostStore {
    RedisHostStore::connect(&url(), namespace, timing()).await.unwrap()
}

pub fn scope(kind: ScopeKind, name: &str) -> ScopeRef {
    ScopeRef::new(kind, ScopeName::try_new(name).unwrap())
}

pub fn mob(name: &str) -> ScopeRef {
    scope(ScopeKind::Mob, name)
}

pub fn rows(contents: &[&[u8]]) -> Vec<Row> {
    contents
        .iter()
        .map(|content| Row::try_new(content.to_vec()).unwrap())
        .collect()
}

pub fn created(scope: &ScopeRef, contents: &[&[u8]]) -> ScopeUpdate {
    ScopeUpdate {
        previous: None,
        next: ScopeVersion::FIRST,
        head: Some(b"head".to_vec()),
        ..changed(scope, 1, contents)
    }
}

pub fn changed(scope: &ScopeRef, previous: u64, contents: &[&[u8]]) -> ScopeUpdate {
    ScopeUpdate {
        scope: scope.clone(),
        previous: Some(ScopeVersion::new(previous)),
        next: ScopeVersion::new(previous + 1),
        head: None,
        append: rows(contents),
        truncate_after: None,
        drop_before: None,
        delete: false,
    }
}

pub fn deleted(scope: &ScopeRef, previous: u64) -> ScopeUpdate {
    ScopeUpdate {
        delete: true,
        ..changed(scope, previous, &[])
    }
}

pub fn batch(id: &str, fence: FenceToken, updates: Vec<ScopeUpdate>) -> CommitBatch {
    CommitBatch::try_new(CommitId::try_new(id).unwrap(), fence, updates).unwrap()
}

pub async fn read(host: &RedisHostStore, scope: &ScopeRef, from: u64) -> Vec<Vec<u8>> {
    let rows = host.read_rows(scope, RowIndex::new(from), usize::MAX).await.unwrap();
    rows.into_iter().map(Row::into_bytes).collect()
}

/// Version, commit id and head.
pub async fn head(host: &RedisHostStore, scope: &ScopeRef) -> Option<(u64, String, Vec<u8>)> {
    let head = host.load_head(scope).await.unwrap()?;
    Some((head.version.get(), head.commit_id.as_str().to_string(), head.head))
}

/// A proxy before the server. It ends a connection in place of the next replies, as many as it is told.
pub struct Proxy {
    pub url: String,
    loses: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            url: format!("redis://{}", listener.local_addr().unwrap()),
            loses: Arc::default(),
        };
        let (path, loses) = (
            url().strip_prefix("unix://").unwrap().to_string(),
            Arc::clone(&proxy.loses),
        );
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&path).await.unwrap();
                let loses = Arc::clone(&loses);
                tokio::spawn(async move {
                    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                    let mut reply = vec![0; 65536];
                    while let Ok(size @ 1..) = from_server.read(&mut reply).await {
                        let lost = |left: usize| left.checked_sub(1);
                        if loses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost).is_ok() {
                            return;
                        }
                        if to_client.write_all(&reply[..size]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        proxy
    }

    pub fn lose(&self, replies: usize) {
        self.loses.store(replies, Ordering::SeqCst);
    }
}
