//! hyper's server, for `tests/protocols/servers_test.ts`: prints its port, and answers as `tests/support/servers` says.

#![allow(clippy::print_stdout, reason = "whoever has started it reads the port there")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::CONNECTION,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{{\"plain\":{}}}", listener.local_addr()?.port());
    let mut connections = 0_u32;
    loop {
        let (stream, _) = listener.accept().await?;
        connections += 1;
        let connection = connections;
        let service = service_fn(move |request| answer(request, connection));
        // Clients may hang up whenever they want to.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, connection: u32) -> Result<Response<Parts>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let builder = Response::builder().header("x-connection", connection);
    if path == "/early" {
        return Ok(builder.status(413).body(Parts::whole("too much".into())).unwrap_or_default());
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let builder = match path.as_str() {
        "/empty" => builder.status(204),
        "/close" => builder.header(CONNECTION, "close"),
        _ => builder,
    };
    let parts = match path.as_str() {
        "/empty" => Parts::default(),
        "/chunked" => Parts::chunks(["one, ", "two, ", "three"]),
        "/large" => Parts::whole("x".repeat(1_048_576).into()),
        _ => Parts::whole(echo(&head, &body)),
    };
    Ok(builder.body(parts).unwrap_or_default())
}

/// What has come in: the request line's parts and the headers a line each, an empty line, and the body.
fn echo(head: &hyper::http::request::Parts, body: &[u8]) -> Bytes {
    let version = if head.version == hyper::Version::HTTP_11 { "1.1" } else { "another" };
    let mut text = format!("{} {} {version}\n", head.method, head.uri).into_bytes();
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(body);
    text.into()
}

/// A body in as many chunks as it has parts; of one part, it has a length.
#[derive(Default)]
struct Parts {
    rest: VecDeque<Bytes>,
    length: Option<u64>,
}

impl Parts {
    fn whole(bytes: Bytes) -> Parts {
        Parts { length: Some(bytes.len() as u64), rest: [bytes].into() }
    }

    fn chunks(parts: [&'static str; 3]) -> Parts {
        Parts { length: None, rest: parts.map(Bytes::from).into() }
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.rest.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}
