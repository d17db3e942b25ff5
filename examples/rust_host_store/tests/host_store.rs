//! The rules of docs/contract/host.md, through the adapter.

mod common;

use std::time::Duration;

use common::{Proxy, batch, changed, created, deleted, head, mob, open, read, rows, scope, timing, url};
use meerkat_core::host_store::{
    AcquireMode, FenceGrant, FenceTiming, FenceToken, HostStore, HostStoreError, MAX_BATCH_BYTES, MAX_ROW_BYTES, Row,
    RowIndex, ScopeKind, ScopeName, ScopeUpdate, ScopeVersion,
};
use rust_host_store::RedisHostStore;

const LEASE: Duration = Duration::from_secs(30);

async fn acquire(host: &RedisHostStore) -> FenceToken {
    host.acquire_fence(AcquireMode::Exclusive).await.unwrap().token
}

async fn take_over(host: &RedisHostStore) -> FenceGrant {
    host.acquire_fence(AcquireMode::Takeover).await.unwrap()
}

fn is_invalid<T>(result: Result<T, HostStoreError>, part: &str) -> bool {
    matches!(result, Err(HostStoreError::Invalid(text)) if text.contains(part))
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_refused() {
    let connected = RedisHostStore::connect(&url(), "none-of-this-name", timing()).await;
    assert!(is_invalid(connected, "is not there"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let connected = RedisHostStore::connect("redis://127.0.0.1:1", "n", timing()).await;
    assert!(matches!(connected, Err(HostStoreError::Unavailable(_))));
}

// host-2
#[tokio::test]
async fn tokens_grow_and_a_live_holder_refuses() {
    let host = open("tokens_grow_and_a_live_holder_refuses").await;
    let grant = host.acquire_fence(AcquireMode::Exclusive).await.unwrap();
    assert_eq!((grant.token.get(), grant.superseded_lease), (1, Duration::ZERO));
    let Err(HostStoreError::Held { holder, remaining }) = host.acquire_fence(AcquireMode::Exclusive).await else {
        panic!("the fence is held");
    };
    assert_eq!(holder, grant.token);
    assert!(Duration::ZERO < remaining && remaining <= LEASE);
    let grant = take_over(&host).await;
    assert_eq!(grant.token.get(), 2);
    assert!(Duration::ZERO < grant.superseded_lease && grant.superseded_lease <= LEASE);
}

// host-3
#[tokio::test]
async fn a_renewal_is_for_the_current_token_alone() {
    let host = open("a_renewal_is_for_the_current_token_alone").await;
    let fenced_out = |current| {
        Err(HostStoreError::FencedOut {
            current: FenceToken::new(current),
        })
    };
    assert_eq!(host.renew_fence(FenceToken::new(1)).await, fenced_out(0));
    let first = acquire(&host).await;
    assert_eq!(host.renew_fence(first).await, Ok(()));
    let second = take_over(&host).await.token;
    assert_eq!(host.renew_fence(first).await, fenced_out(2));
    assert_eq!(host.renew_fence(FenceToken::new(u64::MAX)).await, fenced_out(2));
    assert_eq!(host.renew_fence(second).await, Ok(()));
}

// host-4
#[tokio::test]
async fn a_lease_is_as_long_as_the_timing_says() {
    let name = "a_lease_is_as_long_as_the_timing_says";
    let longer = FenceTiming::try_new(Duration::from_secs(100), Duration::from_secs(1000)).unwrap();
    let host = RedisHostStore::connect(&url(), name, longer).await.unwrap();
    assert_eq!(host.fence_timing(), longer);
    acquire(&host).await;
    let left = take_over(&open(name).await).await.superseded_lease;
    assert!(Duration::from_secs(900) < left && left <= Duration::from_secs(1000));
}

// host-5
#[tokio::test]
async fn a_commit_needs_the_current_token() {
    let host = open("a_commit_needs_the_current_token").await;
    let scope = mob("mob");
    let old = acquire(&host).await;
    host.commit(&batch("old", old, vec![created(&scope, &[b"0"])]))
        .await
        .unwrap();
    let current = take_over(&host).await.token;
    let late = host
        .commit(&batch("late", old, vec![changed(&scope, 1, &[b"1"])]))
        .await;
    assert_eq!(late, Err(HostStoreError::FencedOut { current }));
    assert_eq!(head(&host, &scope).await, Some((1, "old".into(), b"head".to_vec())));
    let new = host
        .commit(&batch("late", current, vec![changed(&scope, 1, &[b"1"])]))
        .await;
    assert_eq!(new, Ok(()));
}

// host-6
#[tokio::test]
async fn scopes_are_created_changed_and_read() {
    let host = open("scopes_are_created_changed_and_read").await;
    let (scope, token) = (mob("mob"), acquire(&host).await);
    assert_eq!(
        (head(&host, &scope).await, read(&host, &scope, 0).await),
        (None, vec![])
    );
    let empty = ScopeUpdate {
        head: Some(vec![]),
        ..created(&scope, &[b"\0\xff\n", b""])
    };
    host.commit(&batch("a", token, vec![empty])).await.unwrap();
    assert_eq!(head(&host, &scope).await, Some((1, "a".into(), vec![])));
    assert_eq!(read(&host, &scope, 0).await, [b"\0\xff\n".to_vec(), vec![]]);
    let update = ScopeUpdate {
        head: Some(b"other".to_vec()),
        ..changed(&scope, 1, &[b"2"])
    };
    host.commit(&batch("b", token, vec![update])).await.unwrap();
    host.commit(&batch("c", token, vec![changed(&scope, 2, &[])]))
        .await
        .unwrap();
    assert_eq!(head(&host, &scope).await, Some((3, "c".into(), b"other".to_vec())));
    assert_eq!(read(&host, &scope, 2).await, [b"2"]);
}

// host-6
#[tokio::test]
async fn rows_keep_their_indices() {
    let host = open("rows_keep_their_indices").await;
    let (scope, token) = (mob("mob"), acquire(&host).await);
    let first = created(&scope, &[b"0", b"1", b"2", b"3", b"4", b"5"]);
    host.commit(&batch("a", token, vec![first])).await.unwrap();
    let update = ScopeUpdate {
        truncate_after: Some(RowIndex::new(4)),
        drop_before: Some(RowIndex::new(2)),
        ..changed(&scope, 1, &[b"x"])
    };
    host.commit(&batch("b", token, vec![update])).await.unwrap();
    assert_eq!(read(&host, &scope, 2).await, [b"2", b"3", b"x"]);
    let two = host.read_rows(&scope, RowIndex::new(3), 1).await.unwrap();
    assert_eq!(two, rows(&[b"3"]));
    assert_eq!(host.read_rows(&scope, RowIndex::new(3), 0).await, Ok(vec![]));
    assert!(is_invalid(
        host.read_rows(&scope, RowIndex::new(1), 1).await,
        "row 1 was dropped"
    ));
    for past in [5, 9, u64::MAX] {
        assert_eq!(host.read_rows(&scope, RowIndex::new(past), 9).await, Ok(vec![]));
    }
    let far = Some(RowIndex::new(u64::MAX));
    let update = ScopeUpdate {
        truncate_after: far,
        drop_before: far,
        ..changed(&scope, 2, &[b"y"])
    };
    host.commit(&batch("c", token, vec![update])).await.unwrap();
    assert_eq!(read(&host, &scope, 5).await, [b"y"]);
    let back = ScopeUpdate {
        truncate_after: Some(RowIndex::new(1)),
        ..changed(&scope, 3, &[])
    };
    assert!(is_invalid(
        host.commit(&batch("d", token, vec![back])).await,
        "before row 5"
    ));
}

// host-6
#[tokio::test]
async fn a_conflict_of_one_scope_leaves_all() {
    let host = open("a_conflict_of_one_scope_leaves_all").await;
    let (scope, other, token) = (mob("mob"), mob("other"), acquire(&host).await);
    host.commit(&batch("a", token, vec![created(&scope, &[])]))
        .await
        .unwrap();
    for (update, current) in [
        (created(&scope, &[]), Some(ScopeVersion::FIRST)),
        (changed(&scope, 2, &[]), Some(ScopeVersion::FIRST)),
        (changed(&mob("none"), 1, &[]), None),
    ] {
        let expected = HostStoreError::Conflict {
            scope: update.scope.clone(),
            current,
        };
        let end = host
            .commit(&batch("b", token, vec![created(&other, &[]), update]))
            .await;
        assert_eq!(end, Err(expected));
        assert_eq!(head(&host, &other).await, None);
    }
    // a refused batch leaves its id free (host-7)
    assert_eq!(
        host.commit(&batch("b", token, vec![created(&other, &[])])).await,
        Ok(())
    );
}

// host-6
#[tokio::test]
async fn a_deleted_scope_is_gone() {
    let host = open("a_deleted_scope_is_gone").await;
    let (scope, token) = (mob("mob"), acquire(&host).await);
    host.commit(&batch("a", token, vec![created(&scope, &[b"0"])]))
        .await
        .unwrap();
    host.commit(&batch("b", token, vec![deleted(&scope, 1)])).await.unwrap();
    assert_eq!(
        (head(&host, &scope).await, read(&host, &scope, 0).await),
        (None, vec![])
    );
    assert_eq!(host.list_heads(ScopeKind::Mob, None, 9).await.unwrap().heads, []);
    let again = host.commit(&batch("c", token, vec![created(&scope, &[])])).await;
    assert!(is_invalid(again, "was deleted"));
}

// host-7
#[tokio::test]
async fn a_commit_id_acts_once() {
    let host = open("a_commit_id_acts_once").await;
    let (scope, other, token) = (mob("mob"), mob("other"), acquire(&host).await);
    let updates = vec![created(&scope, &[b"0"]), created(&other, &[])];
    host.commit(&batch("a", token, updates.clone())).await.unwrap();
    host.commit(&batch("b", token, vec![changed(&scope, 1, &[b"1"])]))
        .await
        .unwrap();
    let new = take_over(&host).await.token;
    let mut reversed = updates.clone();
    reversed.reverse();
    for again in [batch("a", token, updates), batch("a", new, reversed)] {
        assert_eq!(host.commit(&again).await, Ok(()));
    }
    assert_eq!(read(&host, &scope, 0).await, [b"0", b"1"]);
    let another = host.commit(&batch("a", new, vec![created(&scope, &[b"0"])])).await;
    assert!(is_invalid(another, "was another batch"));
}

// host-1, host-8
#[tokio::test]
async fn scopes_are_listed_by_kind_in_the_order_of_their_names() {
    let host = open("scopes_are_listed_by_kind_in_the_order_of_their_names").await;
    let token = acquire(&host).await;
    let mut names = ["é", "a b", "B", "a", "aa", "\u{ffee}", "😀"];
    let kinds = [
        ScopeKind::Session,
        ScopeKind::Identity,
        ScopeKind::Mob,
        ScopeKind::Record,
    ];
    let mut updates: Vec<_> = names.iter().map(|name| created(&mob(name), &[])).collect();
    updates.extend(kinds.map(|kind| ScopeUpdate {
        head: Some(kind.as_str().into()),
        ..created(&scope(kind, "same"), &[])
    }));
    host.commit(&batch("a", token, updates)).await.unwrap();
    for kind in kinds {
        let last = host.list_heads(kind, None, usize::MAX).await.unwrap();
        let same = last.heads.iter().find(|listed| listed.name.as_str() == "same").unwrap();
        assert_eq!(same.head.head, kind.as_str().as_bytes());
        assert_eq!(last.next, None);
    }
    names.sort_unstable();
    let (mut found, mut after) = (Vec::<String>::new(), None::<ScopeName>);
    loop {
        let page = host.list_heads(ScopeKind::Mob, after.as_ref(), 3).await.unwrap();
        assert!(page.heads.len() <= 3);
        found.extend(page.heads.iter().map(|listed| listed.name.as_str().to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.retain(|name| name != "same");
    assert_eq!(found, names);
}

// host-8, host-9
#[tokio::test]
async fn the_limits_themselves_are_kept() {
    let host = open("the_limits_themselves_are_kept").await;
    let (large, token) = (mob(&"é".repeat(256)), acquire(&host).await);
    let row = vec![b'x'; MAX_ROW_BYTES];
    let full = ScopeUpdate {
        head: Some(vec![]),
        append: vec![Row::try_new(row).unwrap(); 8],
        ..created(&large, &[])
    };
    host.commit(&batch(&"c".repeat(128), token, vec![full.clone()]))
        .await
        .unwrap();
    let more = ScopeUpdate {
        append: full.append,
        ..changed(&large, 1, &[])
    };
    host.commit(&batch("more", token, vec![more])).await.unwrap();
    // two replies of 8 MiB
    let read = read(&host, &large, 0).await;
    assert_eq!((read.len(), read.iter().map(Vec::len).sum()), (16, 2 * MAX_BATCH_BYTES));
    let parts = ScopeUpdate {
        append: vec![Row::try_new(vec![]).unwrap(); 100_001],
        ..changed(&large, 2, &[])
    };
    assert!(is_invalid(
        host.commit(&batch("parts", token, vec![parts])).await,
        "at most 100000"
    ));
}

// host-8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_read_are_those_of_one_version() {
    let name = "rows_of_one_read_are_those_of_one_version";
    let (writer, reader, scope) = (open(name).await, open(name).await, mob("mob"));
    let token = acquire(&writer).await;
    writer
        .commit(&batch("0", token, vec![created(&scope, &[b"0"])]))
        .await
        .unwrap();
    for version in 1..40_u64 {
        let content = version.to_string().into_bytes();
        let update = ScopeUpdate {
            truncate_after: Some(RowIndex::new(0)),
            ..changed(&scope, version, &[&content, &content, &content])
        };
        let next = batch(&version.to_string(), token, vec![update]);
        let (committed, read) = tokio::join!(writer.commit(&next), read(&reader, &scope, 0));
        committed.unwrap();
        assert!(read.iter().all(|row| *row == read[0]), "{read:?}");
    }
}

// host-6: calls that are under way together have a slot of the session each
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_commit_at_the_same_time() {
    let host = std::sync::Arc::new(open("scopes_commit_at_the_same_time").await);
    let token = acquire(&host).await;
    let scopes = (0..16).map(|number| mob(&format!("mob-{number}")));
    let writers: Vec<_> = scopes
        .map(|scope| {
            let host = std::sync::Arc::clone(&host);
            tokio::spawn(async move {
                let id = |version| format!("{}-{version}", scope.name);
                host.commit(&batch(&id(0), token, vec![created(&scope, &[])]))
                    .await
                    .unwrap();
                for version in 1..20 {
                    let update = changed(&scope, version, &[b"row"]);
                    host.commit(&batch(&id(version), token, vec![update])).await.unwrap();
                }
                read(&host, &scope, 0).await.len()
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 19);
    }
}

// obligation 3 of upstream, host-7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_reply_is_lost_happens_once() {
    let name = "a_call_whose_reply_is_lost_happens_once";
    let proxy = Proxy::start().await;
    let host = RedisHostStore::connect(&proxy.url, name, timing()).await.unwrap();
    // loads the scripts, so that the reply which is lost is that of the call
    acquire(&host).await;
    let scope = mob("mob");
    proxy.lose(1);
    let grant = take_over(&host).await;
    assert_eq!(grant.token.get(), 2);
    host.commit(&batch("a", grant.token, vec![created(&scope, &[])]))
        .await
        .unwrap();
    for version in 1..50 {
        proxy.lose(usize::from(version % 2 == 0));
        let update = changed(&scope, version, &[b"row"]);
        host.commit(&batch(&format!("{version}"), grant.token, vec![update]))
            .await
            .unwrap();
    }
    assert_eq!(read(&host, &scope, 0).await.len(), 49);
    proxy.lose(1);
    assert_eq!(host.renew_fence(grant.token).await, Ok(()));
    proxy.lose(1);
    assert_eq!(head(&host, &scope).await, Some((50, "49".into(), b"head".to_vec())));
}

// obligation 3 of upstream
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_any_reply_is_indeterminate() {
    let name = "a_commit_without_any_reply_is_indeterminate";
    let proxy = Proxy::start().await;
    let short = FenceTiming::default()
        .try_with_max_commit_latency(Duration::from_secs(1))
        .unwrap();
    let host = RedisHostStore::connect(&proxy.url, name, short).await.unwrap();
    let (scope, token) = (mob("mob"), acquire(&host).await);
    host.commit(&batch("a", token, vec![created(&scope, &[])]))
        .await
        .unwrap();
    let next = batch("b", token, vec![changed(&scope, 1, &[b"row"])]);
    proxy.lose(usize::MAX);
    assert!(matches!(
        host.commit(&next).await,
        Err(HostStoreError::Indeterminate(_))
    ));
    assert!(matches!(
        host.load_head(&scope).await,
        Err(HostStoreError::Unavailable(_))
    ));
    proxy.lose(0);
    assert_eq!(host.commit(&next).await, Ok(()));
    assert_eq!(read(&host, &scope, 0).await, [b"row"]);
}
