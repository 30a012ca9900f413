//! The dispatcher's loop: many deliveries a crossing, as bytes, since an object for each would cost more than all else.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;
use webhook_signing::SecretKey;

use crate::{
    carry::Ends,
    dispatcher::{AttemptRef, Batch, Carrier, Dispatcher, NotReady, RowUpdate},
    error::{js_error, shape_error, whole},
};

/// A batch that has begun, for whoever sends it by itself: `end` is to be told how it ended.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct BegunBatch {
    number: u32,
    batch: Batch,
}

/// Batches that have begun.
#[derive(Serialize, Tsify)]
pub struct BegunBatches {
    batches: Vec<BegunBatch>,
    /// Rows that cannot be sent at all; `conclude` says why.
    refused: Vec<String>,
}

/// Whom to connect to.
#[derive(Serialize, Tsify)]
pub struct Peer {
    /// As a URL writes it: IPv6 in brackets.
    host: String,
    port: u16,
    tls: bool,
}

/// What follows from what has ended.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct Concluded {
    /// `RowUpdate`s as a JSON array, one for each attempt.
    updates: String,
    count: u32,
    /// Endpoints whose receiver answered 410: they are to be switched off, and what they are owed ends.
    gone: Vec<String>,
    /// Endpoints whose breaker has opened.
    opened: Vec<String>,
    /// Endpoints that wait for something of ours, credentials most often, and for what.
    not_ready: Vec<NotReady>,
}

/// Claimed deliveries that were not begun, as a JSON array of `id`, `attempt` and `before`.
#[derive(Serialize, Tsify)]
pub struct GivenBack {
    rows: String,
    count: u32,
}

#[derive(Serialize)]
struct GivenBackRow {
    id: String,
    attempt: u32,
    before: Option<String>,
}

/// Between two fields of a row: PostgreSQL has no text that holds it.
const SEPARATOR: char = '\0';
/// What stands before a value that might have been null.
const PRESENT: char = '=';

#[wasm_bindgen]
impl Dispatcher {
    /// Takes claimed rows in; they wait for `begin`. A row is ten fields in UTF-8, NUL between any two, in this order: `id`,
    /// `event_type`, `payload`?, `attempt`, `created_at`, `endpoint_id`, `url`?, `secret_key`?, `is_active` (`t` or `f`)?, `before`?.
    /// Those with a question mark are empty for null, and begin with `=` otherwise.
    #[wasm_bindgen(js_name = takeIn)]
    pub fn take_in(
        &mut self,
        rows: &[u8],
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        let text = str::from_utf8(rows).map_err(shape_error)?;
        let mut fields = text.split(SEPARATOR);
        let mut claimed = Vec::new();
        while let Some(id) = fields.next() {
            claimed.push(row(id, &mut fields)?);
        }
        self.core.take_in(claimed, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// How many rows wait.
    #[wasm_bindgen(getter)]
    pub fn waiting(&self) -> u32 {
        self.core.waiting() as u32
    }

    /// Begins as many batches as there are free slots for. Six numbers for each: its number; its peer, for `peer`, or
    /// -1 for one that goes by steps; where its bytes begin in what `takeBytes` gives, or the number of its steps for `next`;
    /// how many bytes it has; how much of the answer's body is worth reading, in bytes; and its time-out in milliseconds.
    pub fn begin(
        &mut self,
        free: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Vec<i32>, JsValue> {
        (self.begun, _) = self.core.begin(free, whole(now_ms, "nowMs")?);
        let mut table = Vec::with_capacity(self.begun.len() * 6);
        let mut offset = 0_usize;
        for begun in &self.begun {
            let (peer, from, length, most) = match &begun.carrier {
                dispatch::BegunCarrier::Request { peer, request } => {
                    let from = offset;
                    let length = request.head.len() + request.body.len();
                    offset += length;
                    (*peer as i32, from, length, request.most_answer_bytes)
                }
                dispatch::BegunCarrier::Steps(number) => (-1, *number as usize, 0, 0),
            };
            let timeout_ms = begun.timeout_ms as i32;
            table.extend([begun.number as i32, peer, from as i32, length as i32, most as i32, timeout_ms]);
        }
        Ok(table)
    }

    /// The bytes of the requests that `begin` has begun.
    #[wasm_bindgen(js_name = takeBytes)]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for begun in std::mem::take(&mut self.begun) {
            if let dispatch::BegunCarrier::Request { request, .. } = begun.carrier {
                bytes.extend_from_slice(request.head.as_bytes());
                bytes.extend_from_slice(request.body.as_bytes());
            }
        }
        bytes
    }

    /// As `begin`, as objects.
    #[wasm_bindgen(js_name = beginBatches)]
    pub fn begin_batches(
        &mut self,
        free: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<BegunBatches>, JsValue> {
        let (begun, refused) = self.core.begin(free, whole(now_ms, "nowMs")?);
        let batch = |begun: dispatch::Begun| {
            let (endpoint_id, attempts) = self.core.under_way(begun.number).unwrap_or_default();
            let batch = Batch {
                endpoint_id: endpoint_id.to_owned(),
                attempts: attempts.iter().cloned().map(AttemptRef::from).collect(),
                carrier: match begun.carrier {
                    dispatch::BegunCarrier::Request { request, .. } => Carrier::Request(request.into()),
                    dispatch::BegunCarrier::Steps(number) => Carrier::Steps(number),
                },
                timeout_ms: begun.timeout_ms as f64,
            };
            BegunBatch { number: begun.number, batch }
        };
        let batches = begun.into_iter().map(batch).collect();
        BegunBatches { batches, refused }.into_ts().map_err(shape_error)
    }

    /// The peer with this number, which stays the same.
    pub fn peer(&self, number: u32) -> Result<Ts<Peer>, JsValue> {
        let peer = self.core.peer(number).ok_or_else(|| shape_error("peer: there is no such number"))?;
        let dispatch::Peer { host, port, tls } = peer.clone();
        Peer { host, port, tls }.into_ts().map_err(shape_error)
    }

    /// Takes in all that has come in of the answer to a request under way; with `isClosed` there will be no more.
    /// 0: more is to come; 1: that was it; 2: that was it, and the connection can carry another request.
    ///
    /// @throws {Error} `AnswerError` where it is no answer: `end` is still to be told.
    pub fn received(
        &mut self,
        number: u32,
        bytes: &[u8],
        #[wasm_bindgen(js_name = isClosed)] is_closed: bool,
        #[wasm_bindgen(js_name = durationMs)] duration_ms: f64,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<u32, JsValue> {
        match self.core.received(number, bytes, is_closed, duration_ms, whole(now_ms, "nowMs")?) {
            Ok(dispatch::Progress::Partial) => Ok(0),
            Ok(dispatch::Progress::Over { reusable }) => Ok(1 + u32::from(reusable)),
            Err(error) => Err(js_error("AnswerError", error.code(), &error.to_string())),
        }
    }

    /// A batch under way has ended: an end for each attempt, or one for all.
    pub fn end(
        &mut self,
        number: u32,
        ends: Ts<Ends>,
        #[wasm_bindgen(js_name = durationMs)] duration_ms: f64,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        let ends = ends.to_rust().map_err(shape_error)?.0.unwrap_or_default();
        let ends = ends.into_iter().map(dispatch::End::try_from).collect::<Result<_, _>>()?;
        self.core.end(number, ends, duration_ms, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// How many batches have ended, or rows were refused, since the last `conclude`.
    #[wasm_bindgen(getter)]
    pub fn unwritten(&self) -> u32 {
        self.core.unwritten() as u32
    }

    /// What follows from what has ended since the last time, and from what was refused.
    pub fn conclude(
        &mut self,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Concluded>, JsValue> {
        let settled = self.core.conclude_ended(whole(now_ms, "nowMs")?);
        let updates: Vec<RowUpdate> = settled.updates.into_iter().map(RowUpdate::from).collect();
        let not_ready = settled.not_ready.into_iter().map(|(endpoint, error)| NotReady { endpoint, error });
        let concluded = Concluded {
            count: updates.len() as u32,
            updates: serde_json::to_string(&updates).map_err(shape_error)?,
            gone: settled.gone,
            opened: settled.opened,
            not_ready: not_ready.collect(),
        };
        concluded.into_ts().map_err(shape_error)
    }

    /// Takes out what is not to wait any longer, or, with `all`, everything that waits.
    #[wasm_bindgen(js_name = giveBack)]
    pub fn give_back(
        &mut self,
        all: bool,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<GivenBack>, JsValue> {
        let rows = self.core.give_back(all, whole(now_ms, "nowMs")?);
        let rows: Vec<GivenBackRow> = rows
            .into_iter()
            .map(|dispatch::GivenBack { id, attempt, before }| GivenBackRow { id, attempt, before })
            .collect();
        let count = rows.len() as u32;
        GivenBack { rows: serde_json::to_string(&rows).map_err(shape_error)?, count }
            .into_ts()
            .map_err(shape_error)
    }
}

/// For how long a claimed delivery may wait for its slot, in milliseconds.
#[wasm_bindgen(js_name = mostWaitMs)]
pub fn most_wait_ms() -> f64 {
    dispatch::MOST_WAIT_MS as f64
}

fn row<'a>(
    id: &str,
    fields: &mut impl Iterator<Item = &'a str>,
) -> Result<dispatch::ClaimedDelivery, JsValue> {
    let mut next = || fields.next().ok_or_else(|| shape_error("rows: expected ten fields for each"));
    let event_type = next()?.to_owned();
    let payload = optional(next()?).map(str::to_owned);
    let attempt = next()?;
    let attempt = attempt
        .parse()
        .map_err(|_| shape_error(format_args!("attempt: expected a whole number from 0, got {attempt}")))?;
    let created_at = next()?.to_owned();
    let endpoint_id = next()?.to_owned();
    let (url, secret_key, is_active, before) = (next()?, next()?, next()?, next()?);
    let endpoint = optional(url).map(|url| dispatch::Endpoint {
        id: endpoint_id.clone(),
        url: url.to_owned(),
        secret_key: optional(secret_key).map(|secret| SecretKey::new(secret.to_owned())),
        is_active: optional(is_active) == Some("t"),
    });
    Ok(dispatch::ClaimedDelivery {
        id: id.to_owned(),
        event_type,
        payload,
        attempt,
        created_at,
        endpoint_id,
        endpoint,
        before: optional(before).map(str::to_owned),
    })
}

fn optional(field: &str) -> Option<&str> {
    field.strip_prefix(PRESENT)
}
