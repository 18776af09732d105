//! Do ephemeral subscriptions live and die with their connection?

use photinus_contract::{SubscriptionFilter, SubscriptionOptions};
use serde_json::json;

use super::connections::closed;
use crate::transport::bench::{Bench, own};
use crate::transport::far_end::{Arrival, Attach, Ephemeral, FarError};
use crate::transport::journal::Entry;
use crate::transport::verdict::{Fault, Kept, require};

pub(super) async fn life(bench: &mut Bench) -> Kept {
    bench.publish(1).await?;
    let (one, first) = bench.attach_ephemeral().await?;
    let sent = bench.publish(1).await?;
    let events = bench.expect(one, &sent).await?;
    bench.ack_all(one, &events).await?;

    let (two, second) = bench.attach_ephemeral().await?;
    require(first.id != second.id, || {
        "two connections share one ephemeral subscription".to_owned()
    })?;
    let sent = bench.publish(1).await?;
    for connection in [one, two] {
        let events = bench.expect(connection, &sent).await?;
        bench.ack_all(connection, &events).await?;
    }
    let stored = bench.handle.subscriptions("default").len();
    require(stored == 0, || {
        "an ephemeral subscription is stored".to_owned()
    })?;

    let mark = bench.journal.mark();
    bench.far.cut(one).await?;
    closed(bench, mark).await?;
    let mark = bench.journal.mark();
    let sent = bench.publish(2).await?;
    for due in &sent {
        let events = bench.expect(two, &[*due]).await?;
        bench.ack_all(two, &events).await?;
    }
    let survives = bench.journal.find(mark, |entries| {
        entries.iter().any(|entry| {
            matches!(entry, Entry::Delivered(delivery, _) if delivery.subscription.id == first.id)
        })
    });
    require(!survives, || {
        "an ephemeral subscription outlives its connection".to_owned()
    })
}

pub(super) async fn refused(bench: &mut Bench) -> Kept {
    let own_options: serde_json::Value = bench.far.options("").into();
    let options: SubscriptionOptions = serde_json::from_value(own_options).map_err(own)?;
    let good = Ephemeral::new(options);
    let mut cases = Vec::new();
    for (first_event, code) in [("sometime", "FF10191"), ("-2", "FF10192")] {
        let mut wanted = good.clone();
        wanted.options.first_event = Some(first_event.to_owned());
        cases.push((wanted, code));
    }
    let mut wanted = good.clone();
    wanted.filter = filter("^(orders")?;
    cases.push((wanted, "FF10171"));
    let mut wanted = good.clone();
    wanted.namespace = "nowhere".to_owned();
    cases.push((wanted, "FF10436"));

    for (wanted, code) in cases {
        let what = format!(
            "an ephemeral subscription that is refused with {code}, which the application has to be told"
        );
        let text = match bench.far.attach(Attach::Ephemeral(wanted)).await {
            Err(FarError::Refused(text)) => text,
            Err(error) => return Err(error.into()),
            Ok(connection) => match bench.receive(connection).await {
                Ok(Arrival::Refused(text)) => text,
                Ok(other) => return Err(Fault(format!("{what}: it saw {other:?}"))),
                Err(Fault(text)) => return Err(Fault(format!("{what}: {text}"))),
            },
        };
        require(text.contains(code), || format!("{what}: it saw '{text}'"))?;
    }
    // And a right one is taken, with a right filter.
    let (connection, _) = bench.attach_ephemeral().await?;
    let sent = bench.publish(1).await?;
    let events = bench.expect(connection, &sent).await?;
    bench.ack_all(connection, &events).await
}

fn filter(topic: &str) -> Result<SubscriptionFilter, Fault> {
    serde_json::from_value(json!({"topic": topic})).map_err(own)
}
