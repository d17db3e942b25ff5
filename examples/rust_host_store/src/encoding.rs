//! Scopes, heads, rows and batches as the scripts take them, and replies as they give them.

use std::time::Duration;

use meerkat_core::host_store::{
    CommitBatch, CommitId, HostStoreError, ScopeKind, ScopeName, ScopeRef, ScopeUpdate, ScopeVersion, VersionedHead,
};
use redis::Value;
use sha2::{Digest, Sha256};

/// The greatest number that scripts count to. One that is greater names no version, token or row that exists, and means
/// the same as this one.
const MOST_NUMBER: u64 = 1_000_000_000_000_000 - 1;

/// How many scopes or rows one batch has at most.
const MOST_PARTS: usize = 100_000;

/// How many commits the store remembers.
const REMEMBERED: &str = "65536";

pub type Result<T> = std::result::Result<T, HostStoreError>;

/// The letter that the scopes of a kind begin with.
pub fn letter_of(kind: ScopeKind) -> Result<char> {
    match kind {
        ScopeKind::Session => Ok('s'),
        ScopeKind::Identity => Ok('i'),
        ScopeKind::Mob => Ok('m'),
        ScopeKind::Record => Ok('r'),
        other => Err(HostStoreError::Invalid(format!(
            "the store keeps no scopes of the kind {other}"
        ))),
    }
}

pub fn scope_of(scope: &ScopeRef) -> Result<Vec<u8>> {
    Ok(format!("{}{}", letter_of(scope.kind)?, scope.name).into_bytes())
}

pub fn number(value: u64) -> Vec<u8> {
    value.min(MOST_NUMBER).to_string().into_bytes()
}

pub fn limit(value: usize) -> u64 {
    u64::try_from(value).map_or(MOST_NUMBER, |value| value.min(MOST_NUMBER))
}

/// Rounded up: no lease is shorter than was said.
pub fn milliseconds(time: Duration) -> Vec<u8> {
    time.as_nanos().div_ceil(1_000_000).to_string().into_bytes()
}

/// The arguments of `host/commit`.
pub fn commit_arguments(batch: &CommitBatch) -> Result<Vec<Vec<u8>>> {
    let updates = batch.updates();
    let rows: usize = updates.iter().map(|update| update.append.len()).sum();
    if rows > MOST_PARTS || updates.len() > MOST_PARTS {
        return Err(HostStoreError::Invalid(format!(
            "commit {} has {} scopes and {rows} rows; a batch has at most {MOST_PARTS} of each",
            batch.commit_id(),
            updates.len()
        )));
    }
    let mut arguments = vec![
        batch.commit_id().as_str().into(),
        digest_of(updates)?.into_bytes(),
        number(batch.fence().get()),
        REMEMBERED.into(),
        updates.len().to_string().into_bytes(),
    ];
    for update in updates {
        arguments.push(scope_of(&update.scope)?);
        arguments.push(optional(update.previous.map(ScopeVersion::get)));
        arguments.push(update.head.as_deref().map_or_else(Vec::new, stored));
        arguments.push(optional(update.truncate_after.map(|index| index.get())));
        arguments.push(optional(update.drop_before.map(|index| index.get())));
        arguments.push(if update.delete { b"1" } else { b"0" }.to_vec());
        arguments.push(update.append.len().to_string().into_bytes());
        arguments.extend(update.append.iter().map(|row| stored(row.as_bytes())));
    }
    Ok(arguments)
}

fn optional(value: Option<u64>) -> Vec<u8> {
    value.map_or_else(Vec::new, number)
}

/// A head or row behind its length, so that one which was cut short is not taken for another one.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut stored = format!("{}\n", content.len()).into_bytes();
    stored.extend_from_slice(content);
    stored
}

/// The content of a head or row.
pub fn content_of(what: &str, mut stored: Vec<u8>) -> Result<Vec<u8>> {
    let end = stored.iter().position(|byte| *byte == b'\n');
    let content = end.map_or(0, |end| end + 1);
    let length = std::str::from_utf8(&stored[..content.saturating_sub(1)]).ok();
    if length.and_then(|length| length.parse().ok()) != Some(stored.len() - content) {
        return Err(HostStoreError::Invalid(format!("{what} is damaged")));
    }
    Ok(stored.split_off(content))
}

/// Equal for batches that say the same of the same scopes, in any order and with any token; hexadecimal.
fn digest_of(updates: &[ScopeUpdate]) -> Result<String> {
    let mut by_scope = updates
        .iter()
        .map(|update| Ok((scope_of(&update.scope)?, update)))
        .collect::<Result<Vec<_>>>()?;
    by_scope.sort_by(|one, other| one.0.cmp(&other.0));
    let mut digest = Sha256::new();
    for (scope, update) in by_scope {
        let said = format!(
            "{} {:?} {:?} {:?} {:?} {} {}\n",
            scope.len(),
            update.previous.map(ScopeVersion::get),
            update.head.as_ref().map(Vec::len),
            update.truncate_after.map(|index| index.get()),
            update.drop_before.map(|index| index.get()),
            update.delete,
            update.append.len(),
        );
        digest.update(said);
        digest.update(scope);
        digest.update(update.head.as_deref().unwrap_or_default());
        for row in &update.append {
            digest.update(format!("{}\n", row.len()));
            digest.update(row.as_bytes());
        }
    }
    Ok(format!("{:x}", digest.finalize()))
}

/// What a script answers that no reply of it is: it is not known what was done.
pub fn unreadable(reply: &impl std::fmt::Debug) -> HostStoreError {
    HostStoreError::Indeterminate(format!("the server answered what its script never does: {reply:?}"))
}

pub fn parts_of(reply: Value) -> Result<Vec<Value>> {
    match reply {
        Value::Array(parts) => Ok(parts),
        other => Err(unreadable(&other)),
    }
}

/// The numbers of a reply that has nothing else.
pub fn numbers_of(reply: Value) -> Result<Vec<i64>> {
    let number_in = |part| match part {
        Value::Int(number) => Ok(number),
        other => Err(unreadable(&other)),
    };
    parts_of(reply)?.into_iter().map(number_in).collect()
}

pub fn bytes_in(part: Option<Value>) -> Result<Vec<u8>> {
    match part {
        Some(Value::BulkString(bytes)) => Ok(bytes),
        other => Err(unreadable(&other)),
    }
}

pub fn text_in(part: Option<Value>) -> Result<String> {
    String::from_utf8(bytes_in(part)?).map_err(|error| unreadable(&error))
}

pub fn unsigned_in(part: Option<Value>) -> Result<u64> {
    match part {
        Some(Value::Int(number)) => u64::try_from(number).map_err(|error| unreadable(&error)),
        other => Err(unreadable(&other)),
    }
}

/// A head from the three parts that a reply has for it.
pub fn head_in(scope: &ScopeRef, parts: &mut impl Iterator<Item = Value>) -> Result<VersionedHead> {
    Ok(VersionedHead {
        version: ScopeVersion::new(unsigned_in(parts.next())?),
        commit_id: CommitId::try_new(text_in(parts.next())?)?,
        head: content_of(&format!("the head of {scope}"), bytes_in(parts.next())?)?,
    })
}

pub fn name_in(part: Option<Value>) -> Result<ScopeName> {
    // behind the letter of its kind
    ScopeName::try_new(text_in(part)?.get(1..).unwrap_or_default())
}
