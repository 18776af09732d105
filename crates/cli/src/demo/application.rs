//! What does the application of the demonstration do with an order?
//!
//! It takes them in the order in which they were published, and notices if it is not that.

use serde::Deserialize;
use serde_json::json;

use super::{PATIENCE, SUBSCRIPTION, check};
use crate::client::Client;
use crate::failure::Failure;
use crate::listen::{Event, Frame, frame, values};
use crate::socket::Socket;

/// Bills orders.
pub(super) struct Application {
    client: Client,
    socket: Socket,
    /// The number of the order that comes next.
    next: u64,
    /// How many orders it has acknowledged; that is also the number of the last.
    pub(super) acknowledged: u64,
    /// The sequence of the last order that it has acknowledged.
    pub(super) offset: i64,
}

/// An order that was delivered.
pub(super) struct Order {
    pub(super) number: u64,
    event: Box<Event>,
}

impl Application {
    pub(super) async fn start(client: Client) -> Result<Self, Failure> {
        Ok(Self {
            socket: connected(&client).await?,
            client,
            next: 1,
            acknowledged: 0,
            offset: -1,
        })
    }

    /// After a crash. What it has not acknowledged has to come again.
    pub(super) async fn connect_again(&mut self, client: Client) -> Result<(), Failure> {
        self.socket = connected(&client).await?;
        self.client = client;
        self.next = self.acknowledged + 1;
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Order, Failure> {
        let text = match tokio::time::timeout(PATIENCE, self.socket.next()).await {
            Ok(text) => text.map_err(Failure::Failed)?,
            Err(_) => {
                check(false, &format!("order {} is delivered", self.next))?;
                return Err(Failure::Said);
            }
        };
        let Frame::Event(event) = frame(&text).map_err(Failure::Failed)? else {
            return Err(Failure::Failed(format!(
                "an event was expected, and not {text}"
            )));
        };
        #[derive(Deserialize)]
        struct Value {
            order: u64,
        }
        let values = values(&self.client, &event).await?.unwrap_or_default();
        let found: Vec<Value> = serde_json::from_str(&values).unwrap_or_default();
        let number = found.first().map_or(0, |value| value.order);
        check(
            number == self.next,
            &format!("order {} comes next, and not {number}", self.next),
        )?;
        self.next += 1;
        Ok(Order { number, event })
    }

    pub(super) async fn acknowledge(&mut self, order: &Order) -> Result<(), Failure> {
        self.acknowledged = order.number;
        self.offset = order.event.sequence;
        let acked = self.socket.send(&[order.event.ack()]).await;
        acked.map_err(Failure::Failed)
    }
}

async fn connected(client: &Client) -> Result<Socket, Failure> {
    let mut socket = Socket::open(client)
        .await
        .map_err(|refused| refused.failure())?;
    let start =
        json!({"type": "start", "namespace": "default", "name": SUBSCRIPTION, "autoack": false});
    socket.send(&[start]).await.map_err(Failure::Failed)?;
    Ok(socket)
}
