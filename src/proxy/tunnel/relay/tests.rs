use tokio::io::{DuplexStream, duplex};

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::flow::PIECE;
use super::*;
use crate::decision::DenialCode;
use crate::inspect::websocket::close_frame;

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

const HELLO: [u8; 7] = [0x81, 5, b'H', b'e', b'l', b'l', b'o'];

fn ends() -> (
    (End<DuplexStream>, End<DuplexStream>),
    (DuplexStream, DuplexStream),
) {
    let (client, gate_client) = duplex(64);
    let (backend, gate_backend) = duplex(64);
    let end = |stream| End {
        stream,
        ahead: BytesMut::new(),
    };
    ((end(gate_client), end(gate_backend)), (client, backend))
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut bytes))
        .await
        .expect("bytes")
        .unwrap();
    bytes
}

async fn rest(mut stream: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("an end")
        .unwrap();
    bytes
}

#[tokio::test]
async fn both_sides_are_told_between_two_frames_why_a_socket_ends() {
    let ((client_end, backend_end), (mut client, mut backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(60));
    let (withdraw, withdrawn) = tokio::sync::oneshot::channel();
    let carried = relay(client_end, backend_end, false, None, &pulse, async {
        withdrawn.await.unwrap()
    });
    let story = async {
        // Half a message is under way to the client when the socket has to end.
        backend.write_all(&HELLO[..4]).await.unwrap();
        assert_eq!(read(&mut client, 4).await, HELLO[..4]);
        withdraw
            .send(Denial::new(DenialCode::TokenExpired))
            .unwrap();
        tokio::task::yield_now().await;
        backend.write_all(&HELLO[4..]).await.unwrap();
        let close = close_frame(1008, "token_expired", None);
        let told = [&HELLO[4..], &close].concat();
        assert_eq!(rest(client).await, told);
        let told = rest(backend).await;
        assert_eq!(told[..2], [0x88, 0x80 | (close.len() as u8 - 2)]);
    };
    let (ended, ()) = tokio::join!(carried, story);
    assert!(matches!(ended, Ended::Withdrawn(_)), "{ended:?}");
}

#[tokio::test]
async fn a_frame_that_does_not_end_in_time_is_cut_without_a_close_frame() {
    let ((client_end, backend_end), (mut client, mut backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(60));
    let (withdraw, withdrawn) = tokio::sync::oneshot::channel();
    let carried = relay(client_end, backend_end, false, None, &pulse, async {
        withdrawn.await.unwrap()
    });
    let story = async {
        backend.write_all(&HELLO[..4]).await.unwrap();
        assert_eq!(read(&mut client, 4).await, HELLO[..4]);
        withdraw
            .send(Denial::new(DenialCode::TokenExpired))
            .unwrap();
        assert_eq!(
            rest(client).await,
            b"",
            "half a frame and nothing behind it"
        );
    };
    let (_, ()) = tokio::join!(carried, story);
}

#[tokio::test]
async fn half_a_socket_can_be_closed() {
    let ((client_end, backend_end), (mut client, mut backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(60));
    let carried = relay(client_end, backend_end, false, None, &pulse, pending());
    let story = async {
        client.write_all(&masked(b"last")).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read(&mut backend, 10).await, masked(b"last"));
        assert_eq!(
            backend.read(&mut [0]).await.unwrap(),
            0,
            "the end is passed on"
        );
        backend.write_all(&HELLO).await.unwrap();
        drop(backend);
        assert_eq!(rest(client).await, HELLO);
    };
    let (ended, ()) = tokio::join!(carried, story);
    assert!(matches!(ended, Ended::Left(Sender::Client)), "{ended:?}");
    assert_eq!((pulse.up(), pulse.down()), (10, 7));
}

#[tokio::test]
async fn what_is_no_frame_reaches_nobody_and_ends_the_socket() {
    let ((client_end, backend_end), (mut client, backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(60));
    let carried = relay(client_end, backend_end, false, None, &pulse, pending());
    let story = async {
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let to_client = rest(client).await;
        assert_eq!(to_client, close_frame(1002, "protocol error", None));
        let to_backend = rest(backend).await;
        assert_eq!(to_backend[0], 0x88, "a close frame and nothing else");
    };
    let (ended, ()) = tokio::join!(carried, story);
    assert!(
        matches!(ended, Ended::Stopped(Sender::Client, Stop::Broke(_))),
        "{ended:?}"
    );
}

#[tokio::test]
async fn silence_ends_a_socket_and_a_word_in_time_does_not() {
    let ((client_end, backend_end), (mut client, mut backend)) = ends();
    let silence = Duration::from_secs(3);
    let pulse = Pulse::new(silence);
    let carried = relay(client_end, backend_end, false, None, &pulse, pending());
    let story = async {
        // Together longer than any one silence may be.
        for _ in 0..4 {
            tokio::time::sleep(silence / 3).await;
            client.write_all(&masked(b"x")).await.unwrap();
            read(&mut backend, 7).await;
        }
        assert_eq!(rest(client).await, close_frame(1001, "idle", None));
        drop(backend);
    };
    let (ended, ()) = tokio::join!(carried, story);
    assert!(matches!(ended, Ended::Silent), "{ended:?}");
}

#[tokio::test]
async fn behind_the_closing_handshake_nobody_is_waited_for_long() {
    let ((client_end, backend_end), (mut client, mut backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(3600));
    let carried = relay(client_end, backend_end, false, None, &pulse, pending());
    let story = async {
        let (to_backend, to_client) = (
            close_frame(1000, "", Some([0; 4])),
            close_frame(1000, "", None),
        );
        client.write_all(&to_backend).await.unwrap();
        backend.write_all(&to_client).await.unwrap();
        assert_eq!(rest(client).await, to_client);
        assert_eq!(rest(backend).await, to_backend);
    };
    let (ended, ()) = tokio::join!(carried, story);
    assert!(matches!(ended, Ended::Closed), "{ended:?}");
}

#[tokio::test]
async fn a_side_that_does_not_read_holds_the_other_back() {
    let ((client_end, backend_end), (client, mut backend)) = ends();
    let pulse = Pulse::new(Duration::from_secs(60));
    let carried = relay(client_end, backend_end, false, None, &pulse, pending());
    let flood = async {
        let mut sent = 0;
        while timeout(Duration::from_millis(100), backend.write_all(&HELLO))
            .await
            .is_ok()
        {
            sent += HELLO.len();
        }
        assert!(
            sent < 2 * PIECE,
            "{sent} bytes were taken that nobody reads"
        );
        drop((client, backend));
    };
    tokio::join!(carried, flood);
}
