//! Numbers the calls that write, so that the server answers one that is sent again with its first reply.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

/// How long the server keeps a session after its last call, in milliseconds.
pub const TIME_TO_LIVE_MS: u64 = 600_000;

/// A session that was idle for this long is given up, well before the server may have forgotten it: receipts that are
/// gone look as if the server had lost acknowledged writes.
const IDLE: Duration = Duration::from_secs(300);

/// One call under way has its receipt in a slot of the session.
#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    number: u64,
    sequence: u64,
    answered: u64,
}

#[derive(Debug)]
struct Session {
    client: String,
    slots: u64,
    free: Vec<Slot>,
    last_answered: (u64, u64),
    // of the clock of the system, which goes on while the machine sleeps, as that of the server does
    prolonged: SystemTime,
}

impl Session {
    fn new() -> Self {
        Self {
            client: Uuid::new_v4().simple().to_string(),
            slots: 0,
            free: Vec::new(),
            last_answered: (0, 0),
            prolonged: SystemTime::now(),
        }
    }

    fn is_idle(&self, now: SystemTime) -> bool {
        // a clock that was set back tells nothing
        now.duration_since(self.prolonged).map_or(true, |idle| idle > IDLE)
    }
}

/// The session in use, and the slots of it that are free.
#[derive(Debug)]
pub struct Sessions(Mutex<Session>);

impl Sessions {
    pub fn new() -> Self {
        Self(Mutex::new(Session::new()))
    }

    /// The slot of a new call, which is free again when it is dropped.
    pub fn begin(&self) -> Call<'_> {
        let begun = SystemTime::now();
        let mut session = self.session();
        if session.is_idle(begun) {
            *session = Session::new();
        }
        let mut slot = session.free.pop().unwrap_or_else(|| {
            session.slots += 1;
            Slot {
                number: session.slots - 1,
                ..Slot::default()
            }
        });
        slot.sequence += 1;
        let answered = match (slot.answered, session.last_answered) {
            (0, (slot, sequence)) => format!("{slot}:{sequence}"),
            (answered, _) => answered.to_string(),
        };
        Call {
            sessions: self,
            client: session.client.clone(),
            slot,
            answered,
            begun,
        }
    }

    /// Let later calls begin a new session, and rely on no receipt of this one.
    pub fn give_up(&self, client: &str) {
        let mut session = self.session();
        if session.client == client {
            *session = Session::new();
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
#[derive(Debug)]
pub struct Call<'a> {
    sessions: &'a Sessions,
    pub client: String,
    slot: Slot,
    answered: String,
    begun: SystemTime,
}

impl Call<'_> {
    /// The five arguments that a script which writes takes behind its own. `-`: the epoch of the namespace is not known.
    pub fn arguments(&self) -> [String; 5] {
        [
            self.slot.number.to_string(),
            self.slot.sequence.to_string(),
            self.answered.clone(),
            "-".to_string(),
            TIME_TO_LIVE_MS.to_string(),
        ]
    }

    /// An answer came that has a receipt. A repeated one does not say that the session was prolonged.
    pub fn answered(&mut self, repeated: bool) {
        self.slot.answered = self.slot.sequence;
        let mut session = self.sessions.session();
        if session.client == self.client {
            session.last_answered = (self.slot.number, self.slot.sequence);
            if !repeated {
                session.prolonged = self.begun;
            }
        }
    }
}

impl Drop for Call<'_> {
    // also of a call without an answer: the next one has a greater number, and fences an original that comes late
    fn drop(&mut self) {
        let mut session = self.sessions.session();
        if session.client == self.client {
            session.free.push(self.slot);
        }
    }
}
