//! The producer against krafka's fake cluster, over sockets: its clocks, its faults, somebody else's decoder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should; clippy.toml sees to the test functions themselves only"
)]

mod support;

use std::{net::SocketAddr, time::Duration};

use krafka::{
    error::ErrorCode,
    testing::{ApiKey, Control, FakeBroker},
};
use support::{Driver, config, is_accepted, record, records, rejected};
use tokio::net::TcpListener;
use webhook_kafka::{Compression, Mechanism, Password, RecordResult, RejectionKind, Sasl};

async fn cluster(brokers: usize, partitions: i32) -> FakeBroker {
    let cluster = FakeBroker::start_cluster(brokers).await.unwrap();
    assert!(cluster.create_topic("orders", partitions));
    cluster
}

fn bootstrap(cluster: &FakeBroker) -> SocketAddr {
    cluster.bootstrap_servers().split(',').next().unwrap().parse().unwrap()
}

fn driver(cluster: &FakeBroker) -> Driver {
    Driver::new(config([bootstrap(cluster)]))
}

/// Nobody listens there any more.
async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn records_arrive_as_they_were_sent() {
    for compression in [Compression::None, Compression::Gzip] {
        let cluster = cluster(3, 6).await;
        let mut driver = Driver::new(webhook_kafka::Config { compression, ..config([bootstrap(&cluster)]) });
        let keys = ["21", "foobar", "abc", "21"];
        let sent: Vec<_> =
            keys.iter().enumerate().map(|(n, key)| record(Some(key), &format!("größe-{n}"))).collect();
        let results = driver.send("orders", sent.clone(), 5_000).await;
        let written = cluster.committed_records("orders").unwrap();
        assert_eq!(written.len(), 4);
        for (sent, result) in sent.iter().zip(&results) {
            let found = written.iter().find(|found| found.value_str() == Some(&sent.value)).unwrap();
            assert_eq!(*result, RecordResult::Accepted { partition: found.partition, offset: found.offset });
            assert_eq!(found.key_str(), sent.key.as_deref());
            assert_eq!(found.timestamp, sent.timestamp_ms as i64);
            assert_eq!(found.header_str("webhook-id"), Some(sent.headers[0].1.as_str()));
        }
        // toPositive(murmur2(key)) % 6
        let partition = |n: usize| match results[n] {
            RecordResult::Accepted { partition, .. } => partition,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(
            [partition(0), partition(2), partition(3)],
            [1_173_551_340 % 6, 479_470_107 % 6, 1_173_551_340 % 6]
        );
    }
}

#[tokio::test]
async fn batches_without_keys_take_turns() {
    let cluster = cluster(1, 3).await;
    let mut driver = driver(&cluster);
    for _ in 0..3 {
        let results = driver.send("orders", records(5), 5_000).await;
        assert!(results.iter().all(is_accepted), "{results:?}");
    }
    let offsets: Vec<_> = (0..3).map(|partition| cluster.next_offset("orders", partition)).collect();
    assert_eq!(offsets, [Some(5); 3]);
    assert_eq!(cluster.request_count(ApiKey::Produce), 3, "a batch without keys is one record batch");
    assert_eq!(cluster.request_count(ApiKey::Metadata), 1);
    assert_eq!(driver.connects.len(), 1, "the bootstrap broker leads, so its connection serves");
}

#[tokio::test]
async fn a_leader_that_has_moved_is_found() {
    let cluster = cluster(2, 1).await;
    let mut driver = driver(&cluster);
    cluster.set_leader("orders", 0, 0);
    assert!(driver.send("orders", records(1), 5_000).await.iter().all(is_accepted));
    let nodes = cluster.request_nodes(ApiKey::Produce);
    let other = cluster
        .with_state(|state| state.brokers.iter().map(|node| node.node_id).find(|id| !nodes.contains(id)));
    assert!(cluster.set_leader("orders", 0, other.unwrap()));
    let results = driver.send("orders", records(1), 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
    assert_eq!(cluster.committed_records("orders").unwrap().len(), 2);
    assert_eq!(*cluster.request_nodes(ApiKey::Produce).last().unwrap(), other.unwrap());
}

#[tokio::test]
async fn a_topic_without_a_leader_is_waited_for_and_then_passing() {
    let cluster = cluster(1, 1).await;
    cluster.on(ApiKey::Produce, |_| Control::Error(ErrorCode::NotLeaderForPartition));
    let results = driver(&cluster).send("orders", records(1), 10_000).await;
    assert_eq!(rejected(&results[0]), (RejectionKind::Passing, "Kafka error 6 NOT_LEADER_OR_FOLLOWER"));
    assert_eq!(cluster.request_count(ApiKey::Produce), 5);
    assert_eq!(cluster.request_count(ApiKey::Metadata), 5);
}

#[tokio::test]
async fn an_unknown_topic_is_permanent_after_a_few_tries() {
    let cluster = cluster(1, 1).await;
    cluster.with_state(|state| state.auto_create_topics = false);
    let results = driver(&cluster).send("misspelt", records(2), 10_000).await;
    for result in &results {
        assert_eq!(rejected(result), (RejectionKind::Permanent, "Kafka error 3 UNKNOWN_TOPIC_OR_PARTITION"));
    }
    assert_eq!(cluster.request_count(ApiKey::Metadata), 5);
    assert_eq!(cluster.request_count(ApiKey::Produce), 0);
}

#[tokio::test]
async fn error_codes_become_results() {
    for (error, kind, reason) in [
        (
            ErrorCode::TopicAuthorizationFailed,
            RejectionKind::Permanent,
            "Kafka error 29 TOPIC_AUTHORIZATION_FAILED",
        ),
        (ErrorCode::NotEnoughReplicas, RejectionKind::Passing, "Kafka error 19 NOT_ENOUGH_REPLICAS"),
        (
            ErrorCode::ThrottlingQuotaExceeded,
            RejectionKind::Throttled,
            "Kafka error 89 THROTTLING_QUOTA_EXCEEDED",
        ),
    ] {
        let cluster = cluster(1, 1).await;
        cluster.on_once(ApiKey::Produce, move |_| Control::Error(error));
        let mut driver = driver(&cluster);
        let results = driver.send("orders", records(1), 5_000).await;
        assert_eq!(rejected(&results[0]), (kind, reason));
        let results = driver.send("orders", records(1), 5_000).await;
        assert!(results.iter().all(is_accepted), "{results:?}");
    }
}

#[tokio::test]
async fn what_may_be_one_records_fault_is_sent_in_halves() {
    let cluster = cluster(1, 1).await;
    // 4 records, then 2 and 2, of which the first is refused: 1 and 1.
    cluster.on_times(ApiKey::Produce, 2, |_| Control::Error(ErrorCode::MessageTooLarge));
    let results = driver(&cluster).send("orders", records(4), 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
    let mut values: Vec<_> = cluster
        .committed_records("orders")
        .unwrap()
        .iter()
        .map(|r| r.value_str().unwrap().to_owned())
        .collect();
    values.sort();
    assert_eq!(values, ["value-0", "value-1", "value-2", "value-3"]);

    let cluster = self::cluster(1, 1).await;
    cluster.on(ApiKey::Produce, |_| Control::Error(ErrorCode::MessageTooLarge));
    let results = driver(&cluster).send("orders", records(3), 5_000).await;
    for result in &results {
        assert_eq!(rejected(result), (RejectionKind::Permanent, "Kafka error 10 MESSAGE_TOO_LARGE"));
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_written_is_not_sent_again() {
    for control in [Control::Disconnect, Control::ApplyThen(Box::new(Control::Disconnect))] {
        let was_written = matches!(control, Control::ApplyThen(_));
        let cluster = cluster(1, 1).await;
        cluster.on_once(ApiKey::Produce, move |_| control.clone());
        let mut driver = driver(&cluster);
        let results = driver.send("orders", records(1), 5_000).await;
        let (kind, reason) = rejected(&results[0]);
        assert_eq!(kind, RejectionKind::Passing);
        assert_eq!(reason, format!("broker {}: closed by the other side", bootstrap(&cluster)));
        assert_eq!(cluster.request_count(ApiKey::Produce), 1);
        assert_eq!(cluster.committed_records("orders").unwrap().len(), usize::from(was_written));
        assert!(driver.send("orders", records(1), 5_000).await.iter().all(is_accepted));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_anything_was_sent_is_opened_again() {
    let cluster = cluster(1, 1).await;
    cluster.on_once(ApiKey::Metadata, |_| Control::Disconnect);
    let other = cluster.bootstrap_servers();
    let mut config = config([bootstrap(&cluster)]);
    // The same broker by another name: there is somebody else to ask.
    config.brokers.push(webhook_kafka::Broker {
        host: "localhost".to_owned(),
        port: other.parse::<SocketAddr>().unwrap().port(),
    });
    let results = Driver::new(config).send("orders", records(1), 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_costs_the_request_timeout() {
    let cluster = cluster(1, 1).await;
    cluster.on_once(ApiKey::Produce, |_| Control::Silence);
    let mut config = config([bootstrap(&cluster)]);
    config.request_timeout_ms = 300;
    let mut driver = Driver::new(config);
    let results = driver.send("orders", records(1), 5_000).await;
    assert_eq!(results, [RecordResult::TimedOut { after_ms: 300 }]);
    assert!(driver.send("orders", records(1), 5_000).await.iter().all(is_accepted));
    assert_eq!(driver.connects.len(), 2, "the silent connection is not used again");
}

#[tokio::test]
async fn a_batch_ends_with_its_own_time_and_a_late_answer_harms_nobody() {
    let cluster = cluster(1, 1).await;
    cluster.on_once(ApiKey::Produce, |_| Control::Delay(Duration::from_millis(400)));
    let mut driver = driver(&cluster);
    let results = driver.send("orders", records(1), 200).await;
    assert!(matches!(results[..], [RecordResult::TimedOut { after_ms: 200..400 }]), "{results:?}");
    let results = driver.send("orders", records(1), 5_000).await;
    assert_eq!(results, [RecordResult::Accepted { partition: 0, offset: 1 }]);
    assert_eq!(driver.connects.len(), 1);
}

#[tokio::test]
async fn bootstrap_brokers_are_tried_in_turn() {
    let cluster = cluster(1, 1).await;
    let mut driver = Driver::new(config([dead_address().await, dead_address().await, bootstrap(&cluster)]));
    let results = driver.send("orders", records(1), 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
    assert_eq!(driver.connects.len(), 3);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_passing_with_what_each_broker_said() {
    let addresses = [dead_address().await, dead_address().await];
    let mut driver = Driver::new(config(addresses));
    for _ in 0..2 {
        let results = driver.send("orders", records(1), 5_000).await;
        let (kind, reason) = rejected(&results[0]);
        assert_eq!(kind, RejectionKind::Passing);
        assert!(reason.starts_with("no broker can be reached: "), "{reason}");
        for address in addresses {
            assert!(reason.contains(&format!("{address}: Connection refused")), "{reason}");
        }
    }
    assert_eq!(driver.connects.len(), 4, "each batch tries anew");
}

#[tokio::test]
async fn a_broker_that_comes_back_is_used_again() {
    let cluster = cluster(1, 1).await;
    let mut driver = driver(&cluster);
    assert!(driver.send("orders", records(1), 5_000).await.iter().all(is_accepted));
    let node = cluster.request_nodes(ApiKey::Produce)[0];
    cluster.crash(node);
    let results = driver.send("orders", records(1), 3_000).await;
    assert_eq!(rejected(&results[0]).0, RejectionKind::Passing);
    cluster.restart(node);
    let results = driver.send("orders", records(1), 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
}

fn plain(password: &str) -> Option<Sasl> {
    let password = Password::new(password.to_owned());
    Some(Sasl { mechanism: Mechanism::Plain, username: "acme-user".to_owned(), password })
}

#[tokio::test]
async fn every_connection_logs_in() {
    let cluster = cluster(3, 6).await;
    cluster.require_sasl_plain("acme-user", "hunter2");
    let mut driver =
        Driver::new(webhook_kafka::Config { sasl: plain("hunter2"), ..config([bootstrap(&cluster)]) });
    let keyed = (0..30).map(|n| record(Some(&n.to_string()), "v")).collect();
    let results = driver.send("orders", keyed, 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
    assert_eq!(driver.connects.len(), 3);
    assert_eq!(cluster.request_count(ApiKey::SaslAuthenticate), 3);
}

#[tokio::test]
async fn wrong_credentials_are_permanent_and_are_not_shown() {
    let cluster = cluster(1, 1).await;
    cluster.require_sasl_plain("acme-user", "hunter2");
    let mut driver =
        Driver::new(webhook_kafka::Config { sasl: plain("hunter3"), ..config([bootstrap(&cluster)]) });
    let results = driver.send("orders", records(2), 5_000).await;
    for result in &results {
        let (kind, reason) = rejected(result);
        assert_eq!(kind, RejectionKind::Permanent);
        let expected = format!(
            "broker {}: it refuses the credentials (SASL PLAIN, Kafka error 58 SASL_AUTHENTICATION_FAILED)",
            bootstrap(&cluster)
        );
        assert_eq!(reason, expected);
    }
    assert_eq!(driver.connects.len(), 1);
}

#[tokio::test]
async fn brokers_without_the_newer_api_versions_are_asked_for_the_old_one() {
    for control in [Control::Error(ErrorCode::UnsupportedVersion), Control::Disconnect] {
        let closes = matches!(control, Control::Disconnect);
        let cluster = cluster(1, 1).await;
        cluster.on(ApiKey::ApiVersions, move |request| {
            if request.api_version == 0 { Control::Pass } else { control.clone() }
        });
        let mut driver = driver(&cluster);
        let results = driver.send("orders", records(1), 5_000).await;
        assert!(results.iter().all(is_accepted), "{results:?}");
        assert_eq!(driver.connects.len(), if closes { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_broker_that_wants_less_is_left_alone() {
    let cluster = cluster(1, 1).await;
    cluster.set_throttle(ApiKey::Produce, Duration::from_secs(30));
    let mut driver = driver(&cluster);
    assert!(driver.send("orders", records(1), 5_000).await.iter().all(is_accepted));
    let results = driver.send("orders", records(1), 200).await;
    let (kind, reason) = rejected(&results[0]);
    assert_eq!(kind, RejectionKind::Throttled);
    assert!(reason.contains("it wants nothing for "), "{reason}");
    assert_eq!(cluster.request_count(ApiKey::Produce), 1);
}

#[tokio::test]
async fn more_than_a_request_holds_goes_in_several() {
    let cluster = cluster(1, 1).await;
    // The header that the test adds is as long again.
    let value = "x".repeat(200_000);
    let sent: Vec<_> = (0..5).map(|n| record(None, &format!("{n}{value}"))).collect();
    let results = driver(&cluster).send("orders", sent, 5_000).await;
    assert!(results.iter().all(is_accepted), "{results:?}");
    assert_eq!(cluster.request_count(ApiKey::Produce), 3);

    let results = driver(&cluster).send("orders", vec![record(None, &"x".repeat(550_000))], 5_000).await;
    let (kind, reason) = rejected(&results[0]);
    assert_eq!(kind, RejectionKind::Permanent);
    assert!(reason.starts_with("the record has 1100"), "{reason}");
}

#[tokio::test]
async fn several_batches_share_a_connection() {
    let cluster = cluster(1, 4).await;
    let mut driver = driver(&cluster);
    let ids: Vec<u32> = (0..12).map(|_| driver.begin("orders", records(3), 5_000)).collect();
    for id in ids {
        let results = driver.settled(id).await;
        assert!(results.iter().all(is_accepted), "{results:?}");
    }
    assert_eq!(driver.connects.len(), 1);
    assert_eq!(cluster.committed_records("orders").unwrap().len(), 36);
}
