//! What the producer wants done.

use crate::{Broker, RecordResult};

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to a broker, then say [`Producer::connected`](crate::Producer::connected), or [`Producer::disconnected`](crate::Producer::disconnected) where that fails.
    Connect {
        /// Names the connection from now on.
        connection: u32,
        /// Where to.
        broker: Broker,
    },
    /// Write bytes.
    Write {
        /// Which connection.
        connection: u32,
        /// What to write.
        bytes: Vec<u8>,
    },
    /// Close a connection, or stop connecting it. Nothing is to be said of it afterwards.
    Close {
        /// Which connection.
        connection: u32,
    },
    /// Take back a batch.
    Settled {
        /// Which batch.
        id: u32,
        /// One for each record, in their order.
        results: Vec<RecordResult>,
    },
}
