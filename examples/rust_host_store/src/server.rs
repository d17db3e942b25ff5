//! Sends scripts to the server, again where an answer was lost, and says what its errors mean.

use std::sync::LazyLock;
use std::time::Duration;

use meerkat_core::host_store::HostStoreError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script, ScriptInvocation, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use crate::encoding::Result;
use crate::sessions::{Call, Sessions};

// made by write_scripts.py; the server knows each by the SHA-1 of its text
macro_rules! script {
    ($name:ident) => {
        pub static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("../scripts/", stringify!($name), ".lua"))));
    };
}

#[allow(non_upper_case_globals, reason = "named as their files are")]
pub mod scripts {
    use super::{LazyLock, Script};

    script!(acquire_fence);
    script!(renew_fence);
    script!(load_head);
    script!(list_heads);
    script!(read_rows);
    script!(commit);
}

const PAUSE: Duration = Duration::from_millis(50);

/// Why one attempt has no reply.
enum Failure {
    /// The server answered an error.
    Refused(String),
    /// Nothing was sent.
    NotSent(String),
    /// It may have run.
    Lost(String),
}

pub struct Server {
    client: Client,
    tag: String,
    /// How long one call takes at most, with all attempts.
    patience: Duration,
    /// And how many came before it, so that one that failed is given up once.
    connection: Mutex<(u64, Option<MultiplexedConnection>)>,
    sessions: Sessions,
}

impl Server {
    pub fn new(url: &str, namespace: &str, patience: Duration) -> Result<Self> {
        Ok(Self {
            client: Client::open(url).map_err(|error| HostStoreError::Invalid(said(&error)))?,
            tag: format!("{{rm:{namespace}}}:"),
            patience,
            connection: Mutex::new((0, None)),
            sessions: Sessions::new(),
        })
    }

    /// Fields of the namespace's own hash.
    pub async fn meta(&self, fields: &[&str]) -> Result<Value> {
        let deadline = Instant::now() + self.patience;
        let mut command = redis::cmd("HMGET");
        command.arg(self.key("meta")).arg(fields);
        let sent = async {
            let (_, mut connection) = self.connected().await.map_err(|error| said(&error))?;
            command.query_async(&mut connection).await.map_err(|error| said(&error))
        };
        timeout_at(deadline, sent)
            .await
            .unwrap_or_else(|_| Err(self.late()))
            .map_err(HostStoreError::Unavailable)
    }

    /// Call a script that writes nothing.
    pub async fn read(&self, script: &Script, keys: &[&str], arguments: &[Vec<u8>]) -> Result<Value> {
        let invocation = self.invocation(script, keys, arguments);
        let deadline = Instant::now() + self.patience;
        loop {
            match self.attempt(&invocation, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(Failure::Refused(text)) => return Err(refusal(text)),
                Err(Failure::NotSent(text) | Failure::Lost(text)) if is_over(deadline) => {
                    return Err(HostStoreError::Unavailable(text));
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Call a script that writes. It happens once, however often it is sent.
    pub async fn write(&self, script: &Script, keys: &[&str], arguments: &[Vec<u8>]) -> Result<Value> {
        let mut call = self.sessions.begin();
        let mut invocation = self.invocation(script, keys, arguments);
        invocation.key(self.key("meta"));
        invocation.key(self.key(&format!("session:{}", call.client)));
        invocation.arg(&call.arguments());
        let deadline = Instant::now() + self.patience;
        let mut may_have_run = false;
        loop {
            let text = match self.attempt(&invocation, deadline).await {
                Ok(reply) => return answered(&mut call, reply),
                Err(Failure::Refused(text)) => return Err(self.refused(&call, text, may_have_run)),
                Err(Failure::NotSent(text)) => text,
                Err(Failure::Lost(text)) => {
                    may_have_run = true;
                    text
                }
            };
            if is_over(deadline) {
                return Err(if may_have_run {
                    HostStoreError::Indeterminate(text)
                } else {
                    HostStoreError::Unavailable(text)
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// What a refused write means. An earlier attempt may have run, and only some refusals say that it has not.
    fn refused(&self, call: &Call<'_>, text: String, may_have_run: bool) -> HostStoreError {
        // its receipts are of no use any more
        if text.starts_with("EPOCH ") || text.starts_with("UNREADABLE ") {
            self.sessions.give_up(&call.client);
        }
        let half_done = text.starts_with("PARTIAL ");
        if half_done || (may_have_run && !text.starts_with("REFUSED ")) {
            return HostStoreError::Indeterminate(text);
        }
        refusal(text)
    }

    async fn attempt(
        &self,
        invocation: &ScriptInvocation<'_>,
        deadline: Instant,
    ) -> std::result::Result<Value, Failure> {
        let (number, mut connection) = match timeout_at(deadline, self.connected()).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(Failure::NotSent(said(&error))),
            Err(_) => return Err(Failure::NotSent(self.late())),
        };
        let error = match timeout_at(deadline, invocation.invoke_async(&mut connection)).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) if error.code().is_some() => return Err(Failure::Refused(said(&error))),
            Ok(Err(error)) => said(&error),
            Err(_) => self.late(),
        };
        // a connection that does not answer may be dead at the other end alone
        let mut current = self.connection.lock().await;
        if current.0 == number {
            current.1 = None;
        }
        Err(Failure::Lost(error))
    }

    /// The connection, and its number.
    async fn connected(&self) -> std::result::Result<(u64, MultiplexedConnection), RedisError> {
        let mut current = self.connection.lock().await;
        if let (number, Some(connection)) = &*current {
            return Ok((*number, connection.clone()));
        }
        // the time of a call is bounded by its deadline
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *current = (current.0 + 1, Some(connection.clone()));
        Ok((current.0, connection))
    }

    fn invocation<'a>(&self, script: &'a Script, keys: &[&str], arguments: &[Vec<u8>]) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(self.key(key));
        }
        for argument in arguments {
            invocation.arg(argument.as_slice());
        }
        invocation
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    fn late(&self) -> String {
        format!("no answer within {:?}", self.patience)
    }
}

/// The reply in an answer of a session.
fn answered(call: &mut Call<'_>, answer: Value) -> Result<Value> {
    if let Value::Array(parts) = &answer
        && let [Value::BulkString(kind), Value::BulkString(spelt)] = parts.as_slice()
    {
        let repeated = kind == b"RECEIPT";
        if repeated || kind == b"UNRECORDED" {
            if repeated {
                call.answered(true);
            }
            return redis::parse_redis_value(spelt).map_err(|error| HostStoreError::Indeterminate(said(&error)));
        }
    }
    call.answered(false);
    Ok(answer)
}

/// What an error of the server means where nothing was done.
fn refusal(text: String) -> HostStoreError {
    if text.contains("DAMAGED ") || text.contains("WRONGTYPE ") {
        HostStoreError::Invalid(text)
    } else {
        HostStoreError::Unavailable(text)
    }
}

fn said(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

fn is_over(deadline: Instant) -> bool {
    Instant::now() + PAUSE >= deadline
}
