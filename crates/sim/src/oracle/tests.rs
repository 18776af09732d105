//! Does the oracle refuse what must not be?
//!
//! For each promise a history, made by hand, in which it is broken; and one in which none is.

use photinus_contract::record::{NewRecord, RecordContent, RecordEvent, ReplyKey};
use photinus_contract::store::{
    AppendError, Appended, OffsetError, OffsetRecord, OffsetWrite, Page, ParkedEntry, Pause,
};
use photinus_contract::transport::Published;
use photinus_contract::{
    ConnectionId, Delivery, DeliveryId, Event, EventType, HandOver, MessageId, MessageInput,
    Namespace, Outcome, Record, Response, Sequence, Subscription, SubscriptionId, Timestamp,
    VoidReason,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use super::Oracle;
use crate::history::History;

/// An engine, a connection, and one subscription that it has claimed with epoch 1.
struct Story {
    oracle: Oracle,
    subscription: Arc<Subscription>,
    connection: ConnectionId,
    head: i64,
    created: i64,
}

fn record_at(offset: i64, epoch: u64) -> OffsetRecord {
    OffsetRecord::new(Sequence(offset), epoch, 0)
}

impl Story {
    fn new(options: Value) -> Self {
        let mut oracle = Oracle::new(History::new());
        oracle.namespace_created(&Namespace::new("default"));
        oracle.engine_started(1, 10_000);
        let subscription = Subscription::new(
            SubscriptionId(Uuid::from_u128(7)),
            Namespace::new("default"),
            "s1",
            "scripted",
            serde_json::from_value(json!({"message": {"tag": "^a"}})).unwrap(),
            serde_json::from_value(options).unwrap(),
            Timestamp::from_nanos(0),
        );
        oracle.created(&subscription, record_at(-1, 0));
        oracle.claimed(1, subscription.id, Some(&record_at(-1, 1)));
        Self {
            oracle,
            subscription: Arc::new(subscription),
            connection: ConnectionId::new("e1-c1"),
            head: 0,
            created: 0,
        }
    }

    /// What a message with this author and tag is as a record.
    fn content(&mut self, author: &str, tag: &str) -> RecordContent {
        self.created += 1;
        let event = RecordEvent {
            topic: "t1".into(),
            json: vec![b' '; 1_000].into(),
        };
        let id = Uuid::from_u128((self.created as u128) << 12);
        let mut content = RecordContent::new(
            MessageId::from_v7(id),
            Namespace::new("default"),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(self.created),
            vec![event],
            0..0,
        );
        content.edit(|parts| {
            parts.author = author.to_owned();
            parts.tag = tag.to_owned();
        });
        content
    }

    fn append(&mut self, content: RecordContent) -> Event {
        self.append_as(content, None)
    }

    fn append_as(&mut self, content: RecordContent, reply: Option<ReplyKey>) -> Event {
        let previous = Sequence(self.head);
        self.head += 1;
        let mut record = NewRecord::new(content.clone());
        record.reply = reply;
        let appended = Appended::new(previous, Sequence(self.head));
        self.oracle.appended(1, &[record], &[Ok(appended)]);
        Event::new(Arc::new(Record::new(appended.last, content)), 0).unwrap()
    }

    /// So many matching events.
    fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            let content = self.content("", "a1");
            events.push(self.append(content));
        }
        events
    }

    fn deliver(&mut self, number: u64, event: &Event) {
        self.deliver_attempt(number, event, 1);
    }

    fn deliver_attempt(&mut self, number: u64, event: &Event, attempt: u32) {
        self.deliver_as(DeliveryId::new(1, number), event, attempt);
    }

    fn deliver_as(&mut self, id: DeliveryId, event: &Event, attempt: u32) {
        let delivery = Delivery::new(
            self.connection.clone(),
            self.subscription.clone(),
            id,
            attempt,
            event.clone(),
        );
        self.oracle.delivered(1, &delivery, &HandOver::Ok);
    }

    fn answer(&mut self, number: u64, outcome: Outcome) {
        let connection = self.connection.clone();
        self.answer_over(&connection, number, outcome);
    }

    fn answer_over(&mut self, connection: &ConnectionId, number: u64, outcome: Outcome) {
        let delivery = DeliveryId::new(1, number);
        let response = Response::new(self.subscription.id, delivery, outcome);
        self.oracle.answers(1, connection, &response);
    }

    fn commit(&mut self, offset: i64) {
        let write = OffsetWrite::new(self.subscription.id, 1, Sequence(offset));
        self.oracle.commit_called(1, &write);
        self.oracle.committed(1, &write, &Ok(()));
    }

    fn park(&mut self, event: &Event, marker: &str) {
        let entry = entry(self, event, marker);
        self.oracle.park_called(1, &entry);
        self.oracle.parked(&entry, &Ok(()));
    }

    fn reply(&mut self, author: &str, to: &Event) {
        let mut content = self.content(author, "re");
        content.correlator = Some(to.reference());
        self.append(content);
    }

    #[track_caller]
    fn breaks(&self, invariant: u8) {
        let text = self.oracle.violation().unwrap_or("nothing");
        let expected = format!("invariant {invariant}:");
        assert!(text.starts_with(&expected), "{text}");
    }

    #[track_caller]
    fn is_right(&self) {
        assert_eq!(self.oracle.violation(), None);
    }
}

fn entry(story: &Story, event: &Event, marker: &str) -> ParkedEntry {
    ParkedEntry::new(
        story.subscription.id,
        (1, 0),
        (event.sequence(), event.id()),
        Timestamp::from_nanos(0),
    )
    .because(1, marker.to_owned(), None)
}

fn with_reply(author: &str) -> Outcome {
    let reply = json!({"header": {"author": author}});
    let reply: MessageInput = serde_json::from_value(reply).unwrap();
    Outcome::Acknowledge {
        reply: Some(Box::new(reply)),
    }
}

fn parked(marker: &str) -> Outcome {
    Outcome::Park {
        reason: marker.to_owned(),
    }
}

#[test]
fn a_right_history_breaks_nothing() {
    let mut story = Story::new(json!({"readAhead": 1}));
    let events = story.events(5);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[1]);
    story.answer(2, Outcome::ack());
    story.answer(1, Outcome::retry("not now"));
    story.deliver_attempt(3, &events[0], 2);
    story.deliver(4, &events[1]);
    story.answer(3, with_reply("r1"));
    story.answer(4, parked("k1"));
    story.reply("r1", &events[0]);
    story.commit(1);
    story.park(&events[1], "k1");
    story.commit(2);
    story.deliver(5, &events[2]);
    let connection = story.connection.clone();
    story.oracle.connection_closed(1, &connection);
    story.deliver(6, &events[2]);
    story.answer(5, Outcome::ack());
    story.answer(6, Outcome::ack());
    story.commit(3);
    story.is_right();
}

#[test]
fn an_answered_publish_that_is_not_in_the_log_breaks_1() {
    let mut story = Story::new(json!({}));
    story.oracle.publishing(1, 1, "default", "");
    let published = Published::new(MessageId::from_v7(Uuid::from_u128(1 << 12)), Sequence(1));
    story.oracle.publish_answered(1, Ok(published));
    story.breaks(1);
}

#[test]
fn a_key_that_is_in_the_log_twice_breaks_1() {
    let mut story = Story::new(json!({}));
    for _ in 0..2 {
        let mut content = story.content("", "a1");
        content.edit(|parts| parts.idempotency_key = Some("key".to_owned()));
        story.append(content);
    }
    story.breaks(1);
}

#[test]
fn a_message_that_is_lost_at_the_end_breaks_1() {
    let mut story = Story::new(json!({}));
    story.oracle.publishing(1, 1, "default", "");
    let content = story.content("p1", "a1");
    let published = Published::new(content.id, Sequence(1));
    story.append(content);
    story.oracle.publish_answered(1, Ok(published));
    story.is_right();
    story.oracle.final_log(&Namespace::new("default"), &[]);
    story.breaks(1);
}

#[test]
fn an_event_that_is_delivered_before_it_is_durable_breaks_2() {
    let mut story = Story::new(json!({}));
    let content = story.content("", "a1");
    let record = Arc::new(Record::new(Sequence(1), content));
    story.deliver(1, &Event::new(record, 0).unwrap());
    story.breaks(2);
}

#[test]
fn a_record_that_appears_below_what_was_read_breaks_2() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    let page = Page::new(vec![events[0].record().clone()], false);
    let default = Namespace::new("default");
    story.oracle.log_read(1, &default, Sequence(-1), &page);
    story.is_right();
    story.head = 0;
    story.events(1);
    story.breaks(2);
}

#[test]
fn an_event_out_of_order_breaks_3() {
    let mut story = Story::new(json!({"readAhead": 5}));
    let events = story.events(3);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[2]);
    story.breaks(3);
}

#[test]
fn going_on_above_a_reject_breaks_3() {
    let mut story = Story::new(json!({"readAhead": 5}));
    let events = story.events(3);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[1]);
    story.answer(2, Outcome::ack());
    story.answer(1, Outcome::retry("not now"));
    story.deliver_attempt(3, &events[0], 2);
    story.is_right();
    // What was acknowledged above the gap has to come again.
    story.deliver(4, &events[2]);
    story.breaks(3);
}

#[test]
fn a_repetition_without_a_rewind_breaks_3() {
    let mut story = Story::new(json!({"readAhead": 5}));
    let events = story.events(2);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[0]);
    story.breaks(3);
}

#[test]
fn more_in_flight_than_the_read_ahead_breaks_3() {
    let mut story = Story::new(json!({"readAhead": 0}));
    let events = story.events(2);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[1]);
    story.breaks(3);
}

#[test]
fn an_attempt_that_nothing_counted_breaks_3() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver_attempt(1, &events[0], 2);
    story.breaks(3);
}

#[test]
fn a_void_of_what_is_not_current_breaks_3() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver(1, &events[0]);
    story.answer(1, Outcome::ack());
    let (connection, id) = (story.connection.clone(), story.subscription.id);
    let delivery = DeliveryId::new(1, 1);
    let reason = VoidReason::Rewound;
    story.oracle.voided(1, &connection, id, delivery, reason);
    story.breaks(3);
}

fn pause(until: Option<i64>) -> Outcome {
    let until = until.map(|later| Timestamp::from_nanos(History::new().wall().as_nanos() + later));
    let reason = String::new();
    Outcome::Pause { until, reason }
}

const HOUR: i64 = 3_600_000_000_000;

#[tokio::test(start_paused = true)]
async fn more_for_an_application_that_has_asked_for_a_pause_breaks_3() {
    for until in [None, Some(HOUR)] {
        let mut story = Story::new(json!({}));
        let events = story.events(1);
        story.deliver(1, &events[0]);
        story.answer(1, pause(until));
        let id = story.subscription.id;
        tokio::time::advance(Duration::from_secs(3_599)).await;
        story.is_right();
        story.deliver(2, &events[0]);
        story.breaks(3);

        let mut story = Story::new(json!({}));
        let events = story.events(1);
        story.deliver(1, &events[0]);
        story.answer(1, pause(until));
        match until {
            Some(_) => tokio::time::advance(Duration::from_secs(3_600)).await,
            None => {
                story.oracle.pause_asked(1, id);
                story.oracle.pause_answered(1, id, Some(None));
            }
        }
        story.deliver(2, &events[0]);
        story.is_right();
    }
}

#[tokio::test(start_paused = true)]
async fn more_after_an_answered_pause_breaks_3() {
    let noted = Pause::new(None, "");
    let mut story = Story::new(json!({"readAhead": 1}));
    let id = story.subscription.id;
    let events = story.events(2);
    story.oracle.pause_asked(1, id);
    story.deliver(1, &events[0]);
    story.oracle.pause_stored(1, id, Some(&noted));
    story.oracle.pause_answered(1, id, Some(Some(None)));
    story.is_right();
    story.deliver(2, &events[1]);
    story.breaks(3);

    // Another engine finds it when it starts.
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.oracle.pauses_found(1, &[(id, noted)]);
    story.deliver(1, &events[0]);
    story.breaks(3);

    let mut story = Story::new(json!({}));
    story.oracle.pause_asked(1, id);
    story.oracle.pause_answered(1, id, Some(Some(None)));
    story.breaks(3);
}

#[test]
fn an_offset_past_a_gap_breaks_4() {
    let mut story = Story::new(json!({"readAhead": 5}));
    let events = story.events(2);
    story.deliver(1, &events[0]);
    story.deliver(2, &events[1]);
    story.answer(2, Outcome::ack());
    story.commit(0);
    story.is_right();
    story.commit(2);
    story.breaks(4);
}

#[test]
fn an_offset_that_stays_behind_at_the_end_breaks_4() {
    let mut story = Story::new(json!({}));
    story.events(1);
    let subscription = story.subscription.clone();
    let record = record_at(-1, 1);
    story.oracle.final_position(&subscription, &record, &[]);
    story.breaks(4);
}

#[test]
fn an_answer_to_a_voided_delivery_or_from_elsewhere_moves_no_offset() {
    for from_elsewhere in [false, true] {
        let mut story = Story::new(json!({}));
        let events = story.events(1);
        story.deliver(1, &events[0]);
        let connection = story.connection.clone();
        if from_elsewhere {
            story.answer_over(&ConnectionId::new("e1-c2"), 1, Outcome::ack());
        } else {
            story.oracle.connection_closed(1, &connection);
            story.answer(1, Outcome::ack());
        }
        story.commit(1);
        story.breaks(4);
    }
}

#[test]
fn a_reply_or_a_park_of_a_late_answer_breaks_5() {
    for park in [false, true] {
        let mut story = Story::new(json!({}));
        let events = story.events(1);
        story.deliver(1, &events[0]);
        story.answer(1, Outcome::ack());
        match park {
            true => {
                story.answer(1, parked("k1"));
                story.park(&events[0], "k1");
            }
            false => {
                story.answer(1, with_reply("r1"));
                story.reply("r1", &events[0]);
            }
        }
        story.breaks(5);
    }
}

#[test]
fn writes_of_a_former_owner_break_6() {
    for what in ["commit", "park", "reply"] {
        let mut story = Story::new(json!({}));
        let events = story.events(1);
        let id = story.subscription.id;
        story.deliver(1, &events[0]);
        let outcome = match what {
            "commit" => Outcome::ack(),
            "park" => parked("k1"),
            _ => with_reply("r1"),
        };
        story.answer(1, outcome);
        story.oracle.claimed(2, id, Some(&record_at(-1, 2)));
        story.is_right();
        match what {
            "commit" => story.commit(1),
            "park" => story.park(&events[0], "k1"),
            _ => story.reply("r1", &events[0]),
        }
        story.breaks(6);
    }
}

#[test]
fn an_owner_that_is_fenced_breaks_6() {
    let mut story = Story::new(json!({}));
    let write = OffsetWrite::new(story.subscription.id, 1, Sequence(0));
    story.oracle.committed(1, &write, &Err(OffsetError::Fenced));
    story.breaks(6);
}

#[test]
fn a_claim_that_is_not_newer_breaks_6() {
    let mut story = Story::new(json!({}));
    let subscription = story.subscription.clone();
    story.oracle.updated(1, &subscription, &record_at(-1, 2));
    story
        .oracle
        .claimed(1, subscription.id, Some(&record_at(-1, 2)));
    story.breaks(6);
}

#[test]
fn a_change_that_moves_the_offset_breaks_7() {
    let mut story = Story::new(json!({}));
    let subscription = story.subscription.clone();
    story.oracle.updated(1, &subscription, &record_at(3, 2));
    story.breaks(7);
}

#[test]
fn two_replies_to_one_event_break_10() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver(1, &events[0]);
    story.answer(1, with_reply("r1"));
    let connection = story.connection.clone();
    story.oracle.connection_closed(1, &connection);
    story.deliver(2, &events[0]);
    story.answer(2, with_reply("r2"));
    story.reply("r1", &events[0]);
    story.is_right();
    story.reply("r2", &events[0]);
    story.breaks(10);
}

#[test]
fn a_reply_that_is_lost_lets_the_offset_not_pass() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver(1, &events[0]);
    story.answer(1, with_reply("r1"));
    story.commit(1);
    story.breaks(4);
}

#[test]
fn a_reply_with_a_wrong_cid_or_a_wrong_refusal_breaks_10() {
    for refused in [false, true] {
        let mut story = Story::new(json!({}));
        let events = story.events(1);
        story.deliver(1, &events[0]);
        story.answer(1, with_reply("r1"));
        let content = story.content("r1", "re");
        if refused {
            let holder = content.id;
            let record = NewRecord::new(content);
            let refused = Err(AppendError::DuplicateReply { holder });
            story.oracle.appended(1, &[record], &[refused]);
        } else {
            story.append(content);
        }
        story.breaks(10);
    }
}

/// An owner of epoch 1 on one engine; another engine claims, parks the first of three events, and the first engine
/// reads what is parked.
fn parked_by_a_successor() -> (Story, Vec<Event>) {
    let mut story = Story::new(json!({"readAhead": 20}));
    let events = story.events(3);
    let id = story.subscription.id;
    story.oracle.claimed(2, id, Some(&record_at(-1, 2)));
    let mut entry = entry(&story, &events[0], "k1");
    entry.epoch = 2;
    story.oracle.parked(&entry, &Ok(()));
    story.oracle.parked_read(1, id, &[entry]);
    (story, events)
}

#[test]
fn an_owner_that_stalled_may_leave_out_what_its_successor_parked_or_deliver_it() {
    for first in [0, 1] {
        let (mut story, events) = parked_by_a_successor();
        for (number, event) in events[first..].iter().enumerate() {
            story.deliver(number as u64 + 1, event);
        }
        story.is_right();
    }
}

#[test]
fn an_owner_that_stalled_and_leaves_out_more_than_its_successor_parked_breaks_3() {
    let (mut story, events) = parked_by_a_successor();
    story.deliver(1, &events[2]);
    story.breaks(3);
}

#[test]
fn what_was_parked_before_the_claim_and_is_delivered_breaks_3() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver(1, &events[0]);
    story.answer(1, parked("k1"));
    story.park(&events[0], "k1");
    let id = story.subscription.id;
    story.oracle.claimed(1, id, Some(&record_at(-1, 2)));
    story.deliver_as(DeliveryId::new(2, 1), &events[0], 1);
    story.breaks(3);
}

#[test]
fn an_offset_that_passes_before_the_entry_is_parked_breaks_4() {
    let mut story = Story::new(json!({}));
    let events = story.events(1);
    story.deliver(1, &events[0]);
    story.answer(1, parked("k1"));
    story.commit(1);
    story.breaks(4);
}

#[test]
fn a_parked_entry_that_is_gone_or_of_another_event_breaks_11() {
    for gone in [false, true] {
        let mut story = Story::new(json!({}));
        let events = story.events(2);
        story.deliver(1, &events[0]);
        story.answer(1, parked("k1"));
        story.park(&events[usize::from(!gone)], "k1");
        if gone {
            story.commit(2 - 1);
            story.head = 1;
            let subscription = story.subscription.clone();
            let mut record = record_at(1, 1);
            record.offset = Sequence(2);
            story.oracle.final_position(&subscription, &record, &[]);
            let text = story.oracle.history.text();
            assert!(text.contains("invariant 11:"), "{text}");
        } else {
            story.breaks(11);
        }
    }
}

#[test]
fn more_bytes_in_flight_than_the_window_break_12() {
    let mut story = Story::new(json!({"readAhead": 20}));
    let events = story.events(8);
    for (number, event) in events.iter().enumerate() {
        story.is_right();
        story.deliver(number as u64 + 1, event);
    }
    story.breaks(12);
}
