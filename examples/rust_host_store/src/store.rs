//! The methods of [`HostStore`]: each calls one script, and reads its reply.

use std::time::Duration;

use async_trait::async_trait;
use meerkat_core::host_store::{
    AcquireMode, CommitBatch, FenceGrant, FenceTiming, FenceToken, HeadPage, HostStore, HostStoreError, Row, RowIndex,
    ScopeHead, ScopeKind, ScopeName, ScopeRef, ScopeVersion, VersionedHead,
};
use redis::Value;

use crate::encoding::{
    Result, bytes_in, commit_arguments, content_of, head_in, letter_of, limit as limited, milliseconds, name_in,
    number, numbers_of, parts_of, scope_of, unreadable, unsigned_in,
};
use crate::server::{Server, scripts};

/// The schema version of the namespaces that these scripts know.
const SCHEMA: &[u8] = b"2";

/// How often rows are read that take several pages, if the scope changes between them.
const READINGS: usize = 20;

/// The realm that a namespace of redis_mob keeps.
pub struct RedisHostStore {
    server: Server,
    timing: FenceTiming,
}

impl RedisHostStore {
    /// Connect to a namespace that is there, on the primary of a server. A call takes [`FenceTiming::max_commit_latency`]
    /// at most, with all its attempts.
    ///
    /// # Errors
    /// `Unavailable` if the server does not answer; `Invalid` for a namespace that is not there, is of another release,
    /// or has its payloads coded.
    pub async fn connect(url: &str, namespace: &str, timing: FenceTiming) -> Result<Self> {
        let server = Server::new(url, namespace, timing.max_commit_latency())?;
        let invalid = |what| Err(HostStoreError::Invalid(format!("namespace {namespace:?} {what}")));
        match parts_of(server.meta(&["schema", "payloads"]).await?)?.as_slice() {
            [Value::Nil, _] => invalid("is not there: a storage that opens it creates it"),
            [Value::BulkString(schema), _] if schema != SCHEMA => invalid("is of another release of redis_mob"),
            [_, Value::BulkString(payloads)] if !payloads.is_empty() => invalid("has coded payloads: use another one"),
            _ => Ok(Self { server, timing }),
        }
    }

    /// Rows of one version of a scope; `None` if there came another one between two pages.
    async fn rows_of_one_version(&self, scope: &ScopeRef, from: u64, limit: u64) -> Result<Option<Vec<Row>>> {
        let (mut rows, mut version) = (Vec::new(), Vec::new());
        loop {
            let read = rows.len() as u64;
            let arguments = [
                scope_of(scope)?,
                number(from.saturating_add(read)),
                number(limit - read),
                version.clone(),
            ];
            let keys = ["meta", "host:scopes", "host:rows"];
            let reply = self.server.read(&scripts::read_rows, &keys, &arguments).await?;
            if reply == Value::Nil {
                // a scope that is deleted between two pages has changed too
                return Ok(version.is_empty().then_some(rows));
            }
            let mut parts = parts_of(reply)?.into_iter();
            match parts.next() {
                Some(Value::Int(1)) => (),
                Some(Value::Int(-3)) => return Ok(None),
                Some(Value::Int(0)) => {
                    let first = unsigned_in(parts.next())?;
                    return Err(HostStoreError::Invalid(format!(
                        "{scope}: row {from} was dropped, the first is row {first}"
                    )));
                }
                other => return Err(unreadable(&other)),
            }
            version = number(unsigned_in(parts.next())?);
            let more = unsigned_in(parts.next())? == 1;
            for part in parts {
                let what = format!("row {} of {scope}", from.saturating_add(rows.len() as u64));
                rows.push(Row::try_new(content_of(&what, bytes_in(Some(part))?)?)?);
            }
            if !more {
                return Ok(Some(rows));
            }
        }
    }
}

#[async_trait]
impl HostStore for RedisHostStore {
    async fn acquire_fence(&self, mode: AcquireMode) -> Result<FenceGrant> {
        let exclusive = number(u64::from(mode == AcquireMode::Exclusive));
        let arguments = [exclusive, milliseconds(self.timing.lease())];
        let reply = self
            .server
            .write(&scripts::acquire_fence, &["meta", "host:fence"], &arguments)
            .await?;
        let numbers = numbers_of(reply)?;
        let [won, token, left] = numbers[..] else {
            return Err(unreadable(&numbers));
        };
        let (token, left) = (
            FenceToken::new(token.unsigned_abs()),
            Duration::from_millis(left.unsigned_abs()),
        );
        if won == 1 {
            Ok(FenceGrant {
                token,
                superseded_lease: left,
            })
        } else {
            Err(HostStoreError::Held {
                holder: token,
                remaining: left,
            })
        }
    }

    async fn renew_fence(&self, token: FenceToken) -> Result<()> {
        let arguments = [number(token.get()), milliseconds(self.timing.lease())];
        let reply = self
            .server
            .write(&scripts::renew_fence, &["meta", "host:fence"], &arguments)
            .await?;
        let numbers = numbers_of(reply)?;
        match numbers[..] {
            [1, _] => Ok(()),
            [0, current] => Err(fenced_out(current)),
            _ => Err(unreadable(&numbers)),
        }
    }

    fn fence_timing(&self) -> FenceTiming {
        self.timing
    }

    async fn load_head(&self, scope: &ScopeRef) -> Result<Option<VersionedHead>> {
        let keys = ["meta", "host:scopes", "host:heads"];
        match self
            .server
            .read(&scripts::load_head, &keys, &[scope_of(scope)?])
            .await?
        {
            Value::Nil => Ok(None),
            reply => head_in(scope, &mut parts_of(reply)?.into_iter()).map(Some),
        }
    }

    async fn list_heads(&self, kind: ScopeKind, after: Option<&ScopeName>, limit: usize) -> Result<HeadPage> {
        let letter = letter_of(kind)?;
        let behind = after.map_or_else(String::new, |name| format!("{letter}{name}"));
        let arguments = [
            letter.to_string().into_bytes(),
            behind.into_bytes(),
            number(limited(limit)),
        ];
        let keys = ["meta", "host:scopes", "host:heads", "host:names"];
        let reply = self.server.read(&scripts::list_heads, &keys, &arguments).await?;
        let mut parts = parts_of(reply)?.into_iter();
        let more = unsigned_in(parts.next())? == 1;
        let mut heads = Vec::with_capacity(parts.len() / 4);
        while parts.len() > 0 {
            let name = name_in(parts.next())?;
            let head = head_in(&ScopeRef::new(kind, name.clone()), &mut parts)?;
            heads.push(ScopeHead { name, head });
        }
        let next = heads.last().filter(|_| more).map(|last| last.name.clone());
        Ok(HeadPage { heads, next })
    }

    async fn read_rows(&self, scope: &ScopeRef, from: RowIndex, limit: usize) -> Result<Vec<Row>> {
        for _ in 0..READINGS {
            if let Some(rows) = self.rows_of_one_version(scope, from.get(), limited(limit)).await? {
                return Ok(rows);
            }
        }
        Err(HostStoreError::Unavailable(format!(
            "{scope} changed while its rows were read, {READINGS} times"
        )))
    }

    async fn commit(&self, batch: &CommitBatch) -> Result<()> {
        let keys = [
            "meta",
            "host:fence",
            "host:scopes",
            "host:heads",
            "host:names",
            "host:rows",
            "host:commits",
            "host:order",
        ];
        let arguments = commit_arguments(batch)?;
        let numbers = numbers_of(self.server.write(&scripts::commit, &keys, &arguments).await?)?;
        let scope_at = |number: i64| {
            let at = usize::try_from(number - 1).ok();
            at.and_then(|at| batch.updates().get(at))
                .map(|update| &update.scope)
                .ok_or_else(|| unreadable(&numbers))
        };
        Err(match numbers[..] {
            // done now, or before
            [1 | 0] => return Ok(()),
            [-2] => HostStoreError::Invalid(format!("commit {} was another batch", batch.commit_id())),
            [2, current] => fenced_out(current),
            [-3, update, version] => HostStoreError::Conflict {
                scope: scope_at(update)?.clone(),
                current: (version != 0).then(|| ScopeVersion::new(version.unsigned_abs())),
            },
            [3, update] => {
                HostStoreError::Invalid(format!("{} was deleted, and is not created again", scope_at(update)?))
            }
            [4, update, first] => HostStoreError::Invalid(format!(
                "{}: truncate_after is before row {first}, the first that was not dropped",
                scope_at(update)?
            )),
            _ => unreadable(&numbers),
        })
    }
}

fn fenced_out(current: i64) -> HostStoreError {
    HostStoreError::FencedOut {
        current: FenceToken::new(current.unsigned_abs()),
    }
}
