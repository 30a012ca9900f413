//! What is known of topics: who leads which partition, and since when.

use crate::partition;

/// The Java client's `metadata.max.age.ms`.
const MOST_AGE_MS: u64 = 300_000;

/// More than one producer writes to; a bound for one that lives long.
const MOST_TOPICS: usize = 200;

/// Topics by name.
#[derive(Debug, Default)]
pub(crate) struct Topics(Vec<(String, Topic)>);

/// A topic's partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    /// From partition 0.
    leaders: Vec<Option<i32>>,
    asked_at: u64,
    /// A broker has said something that does not agree with it.
    is_stale: bool,
}

impl Topics {
    /// What is known of a topic, unless it has to be asked about (again).
    pub(crate) fn fresh(&self, name: &str, now: u64) -> Option<&Topic> {
        let (_, topic) = self.0.iter().find(|(known, _)| known == name)?;
        let age = now.saturating_sub(topic.asked_at);
        (!topic.is_stale && age < MOST_AGE_MS).then_some(topic)
    }

    pub(crate) fn learn(&mut self, name: &str, leaders: Vec<Option<i32>>, now: u64) {
        self.0.retain(|(known, _)| known != name);
        if self.0.len() >= MOST_TOPICS {
            // What is still needed is asked about again.
            self.0.clear();
        }
        let topic = Topic { leaders, asked_at: now, is_stale: false };
        self.0.push((name.to_owned(), topic));
    }

    /// Makes the next use of it ask again.
    pub(crate) fn doubt(&mut self, name: &str) {
        for (_, topic) in self.0.iter_mut().filter(|(known, _)| known == name) {
            topic.is_stale = true;
        }
    }
}

impl Topic {
    /// The partition of a key, and the node that leads it.
    pub(crate) fn keyed(&self, key: &str) -> Option<(i32, i32)> {
        let partition = partition::partition_of(key.as_bytes(), self.leaders.len())?;
        let leader = self.leaders.get(usize::try_from(partition).ok()?)?;
        Some((partition, (*leader)?))
    }

    /// The `turn`th partition with a leader, going round, for what has no key.
    pub(crate) fn keyless(&self, turn: usize) -> Option<(i32, i32)> {
        let led = || (0..).zip(&self.leaders).filter_map(|(partition, leader)| Some((partition, (*leader)?)));
        led().nth(turn.checked_rem(led().count())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(leaders: &[Option<i32>]) -> Topics {
        let mut topics = Topics::default();
        topics.learn("t", leaders.to_vec(), 1_000);
        topics
    }

    #[test]
    fn a_topic_is_asked_about_again_after_five_minutes_or_when_doubted() {
        let mut topics = topics(&[Some(1)]);
        assert!(topics.fresh("t", 300_999).is_some());
        assert!(topics.fresh("t", 301_000).is_none());
        assert!(topics.fresh("other", 1_000).is_none());
        topics.doubt("t");
        assert!(topics.fresh("t", 1_000).is_none());
    }

    #[test]
    fn records_without_a_key_go_round_the_partitions_that_have_a_leader() {
        let topics = topics(&[Some(7), None, Some(9)]);
        let topic = topics.fresh("t", 1_000).unwrap();
        let turns: Vec<_> = (0..4).map(|turn| topic.keyless(turn)).collect();
        assert_eq!(turns, [Some((0, 7)), Some((2, 9)), Some((0, 7)), Some((2, 9))]);
    }

    #[test]
    fn a_key_counts_partitions_without_a_leader_too() {
        // 479470107 % 3 = 0, 1173551340 % 3 = 0; 479470107 % 2 = 1
        assert_eq!(topics(&[Some(7), None, None]).fresh("t", 1_000).unwrap().keyed("abc"), Some((0, 7)));
        assert_eq!(topics(&[Some(7), None]).fresh("t", 1_000).unwrap().keyed("abc"), None);
        assert_eq!(topics(&[None, None]).fresh("t", 1_000).unwrap().keyless(3), None);
    }
}
