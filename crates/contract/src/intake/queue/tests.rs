use std::sync::Mutex;

use super::*;
use crate::error::CodedError;
use crate::id::{ConnectionId, MessageId, Sequence};
use crate::intake::message;
use crate::transport::{ConnectionState, Matcher, Published, Scope};
use crate::{BoxFuture, Response, Subscription, SubscriptionFilter, SubscriptionOptions, intake};

/// An engine that takes what it is told to take.
#[derive(Default)]
struct Engine {
    /// The tags of what is in the log.
    log: Mutex<Vec<String>>,
    /// The tag of what cannot be stored now.
    refuses: Mutex<String>,
}

impl Callbacks for Engine {
    fn register_connection(&self, _: &ConnectionId, _: Matcher) -> Result<(), CodedError> {
        Ok(())
    }

    fn ephemeral_subscription(
        &self,
        _: &ConnectionId,
        _: &str,
        _: SubscriptionFilter,
        _: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        Err(CodedError::internal("not here"))
    }

    fn connection_closed(&self, _: &ConnectionId) {}

    fn connection_state(&self, _: &ConnectionId, _: Scope, _: ConnectionState) {}

    fn respond(&self, _: &ConnectionId, _: Response) {}

    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        self.publish_in(&Chain::default(), namespace, kind, message)
    }

    fn publish_in(
        &self,
        chain: &Chain,
        _: &str,
        _: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        let tag = message.header.tag;
        let mut log = self.log.lock().unwrap();
        let result = match tag.as_str() {
            "wrong" => Err(CodedError::bad_request("FF00140", "wrong")),
            _ if chain.is_broken() || *self.refuses.lock().unwrap() == tag => {
                chain.break_now();
                Err(CodedError::unavailable("the disk is full"))
            }
            _ => {
                log.push(tag);
                Ok(Published::new(
                    MessageId::from_v7(uuid::Uuid::nil()),
                    Sequence(log.len() as i64),
                ))
            }
        };
        Box::pin(std::future::ready(result))
    }

    fn namespace_exists(&self, _: &str) -> bool {
        true
    }
}

fn offer(queue: &mut Queue<u32>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let value = intake::value(b"1", None);
        let message = message(value, "t", &number.to_string());
        queue.push(number, message, 10);
    }
}

/// All that is told now, and whether messages have to wait.
fn told(queue: &mut Queue<u32>) -> (Vec<u32>, bool) {
    let mut numbers = Vec::new();
    loop {
        match queue.next().now_or_never() {
            Some(Some((number, Taken::Yes))) => numbers.push(number),
            Some(Some(other)) => panic!("{other:?}"),
            Some(None) => return (numbers, true),
            None => return (numbers, false),
        }
    }
}

#[test]
fn what_cannot_be_taken_now_is_not_overtaken() {
    let engine = Arc::new(Engine::default());
    let mut queue = Queue::new(engine.clone(), "ns");
    *engine.refuses.lock().unwrap() = "2".to_owned();
    offer(&mut queue, 0..5);
    assert_eq!(told(&mut queue), (vec![0, 1], true));
    // What comes meanwhile comes behind.
    offer(&mut queue, 5..7);
    assert_eq!((queue.len(), queue.bytes()), (5, 50));
    assert!(queue.reason().contains("the disk is full"));
    queue.again();
    assert_eq!(told(&mut queue), (vec![], true), "it still cannot");
    *engine.refuses.lock().unwrap() = String::new();
    queue.again();
    assert_eq!(told(&mut queue), ((2..7).collect(), false));
    let all: Vec<String> = (0..7).map(|number| number.to_string()).collect();
    assert_eq!(*engine.log.lock().unwrap(), all);
    assert!(queue.is_empty() && queue.bytes() == 0);
}

#[test]
fn what_can_never_be_taken_holds_up_nobody() {
    let engine = Arc::new(Engine::default());
    let mut queue = Queue::new(engine.clone(), "ns");
    queue.push(1, message(intake::value(b"1", None), "t", "wrong"), 3);
    offer(&mut queue, 2..3);
    let first = queue.next().now_or_never();
    assert!(matches!(first, Some(Some((1, Taken::Never(_))))));
    assert_eq!(told(&mut queue), (vec![2], false));
}
