//! What is measured, in which order?

mod beside_bulk;
mod brokers;
mod bystanders;
mod catch_up;
mod drains;
mod ephemeral;
mod fairness;
mod full_load;
mod growth;
mod hook_latency;
mod hooks;
mod idle_sockets;
mod keys;
mod latency;
mod matching;
mod memory;
mod publishing;
mod scan;
mod start;
mod stock;
mod subscriptions;

use std::rc::Rc;

use crate::measurement::Measurement;
use crate::scale::Scale;

use stock::Stock;

/// All of it.
pub fn all(scale: &Scale) -> Vec<Box<dyn Measurement>> {
    let stock = Rc::new(Stock::new(scale.stored_events));
    let history = Rc::new(Stock::new(scale.history_events));
    let mut all: Vec<Box<dyn Measurement>> = vec![
        Box::new(memory::Memory::new(scale)),
        Box::new(publishing::Publishing::single(scale)),
        Box::new(publishing::Publishing::concurrent(scale)),
        Box::new(publishing::Publishing::bulk(scale)),
        Box::new(publishing::Publishing::socket(scale)),
        Box::new(latency::Latency::new(10, scale.slow_time)),
        Box::new(latency::Latency::new(200, scale.paced_time)),
        Box::new(latency::Latency::new(1_000, scale.paced_time)),
        Box::new(beside_bulk::BesideBulk::new(scale)),
    ];
    for (read_ahead, events) in [
        (0, scale.drained_singly),
        (50, scale.stored_events),
        (500, scale.stored_events),
    ] {
        all.push(Box::new(drains::Drain::new(
            &stock, read_ahead, false, events,
        )));
    }
    for size in [50, 500] {
        all.push(Box::new(drains::Drain::new(
            &stock,
            size,
            true,
            scale.stored_events,
        )));
    }
    for count in scale.subscriptions {
        all.push(Box::new(subscriptions::Subscriptions::new(
            &stock, scale, count,
        )));
    }
    all.push(Box::new(matching::Matching::new(scale)));
    all.push(Box::new(idle_sockets::IdleSockets::new(scale)));
    all.push(Box::new(ephemeral::Ephemeral::new(scale)));
    let (bystanders, _) = scale.bystanders;
    for count in bystanders {
        all.push(Box::new(bystanders::Bystanders::new(scale, count)));
    }
    all.push(Box::new(keys::Keys::new(scale)));
    all.push(Box::new(fairness::Fairness::new(scale, &fairness::SOCKETS)));
    all.push(Box::new(fairness::Fairness::new(scale, &fairness::URLS)));
    for way in [
        hooks::Way::Ordered,
        hooks::Way::Keys,
        hooks::Way::Fastack,
        hooks::Way::Receivers,
    ] {
        all.push(Box::new(hooks::Hooks::new(way, scale)));
    }
    all.push(Box::new(hook_latency::HookLatency::new(scale)));
    for kind in [brokers::Kind::RabbitMq, brokers::Kind::Mosquitto] {
        for window in [1, 500] {
            all.push(Box::new(brokers::Brokers::new(kind, window, scale)));
        }
    }
    all.push(Box::new(catch_up::CatchUp::new(&history, scale)));
    all.push(Box::new(start::Start::new(&history, scale)));
    // The last of these: what it publishes is stored after what the others know of.
    all.push(Box::new(scan::Scan::new(&history, scale)));
    all.push(Box::new(full_load::FullLoad::new(scale)));
    all.push(Box::new(growth::Growth::new(scale)));
    all
}
