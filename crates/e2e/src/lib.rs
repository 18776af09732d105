//! How does a test use the real binary, by process and by wire only?
//!
//! [`Server`] starts, kills and restarts it; [`Rest`] and [`Socket`] speak to it; [`NodeApp`] runs FireFly's
//! own client against it; a [`Receiver`] takes its webhooks; [`Rabbit`], [`MqttApp`] and [`Worker`]s are clients of its brokers; a [`DeliveryLog`] holds what a consumer received against what was promised.
//! [`Publisher`]s and [`Consumer`]s go on over any number of crashes, and a [`Ledger`], a [`LogCopy`] and
//! [`Passes`] hold what came of it against the promises; [`Power`] makes disks fail. Nothing here knows a crate
//! of the server.

mod binary;
mod broker_apps;
mod consumer;
mod delivery_log;
mod dice;
mod exposition;
pub mod fixture;
mod gate;
mod launch;
mod ledger;
mod log_copy;
mod node_app;
mod passes;
mod power;
mod publisher;
mod python;
mod raw_socket;
mod receiver;
mod rest;
mod server;
mod shell;
mod socket;
mod upload;
mod verifiers;
mod waiting;

pub use binary::{Ended, run_to_end, run_to_end_as};
pub use broker_apps::{MqttApp, Program, Rabbit, Worker};
pub use consumer::{Consumer, END, Habit, publish_end};
pub use delivery_log::{ACK_STORED_WITHIN, DeliveryLog};
pub use dice::Dice;
pub use exposition::{Exposition, Family};
pub use gate::Gate;
pub use launch::Launch;
pub use ledger::{Answer, Entry, Ledger};
pub use log_copy::{LogCopy, LogEvent};
pub use node_app::{NodeApp, SdkError};
pub use passes::{Kills, Passes};
pub use power::{Counts, Cut, Full, Power, probe};
pub use publisher::Publisher;
pub use python::python;
pub use raw_socket::{FrameBytes, Head, Heard, LengthForm, RawSocket, UpgradeRequest, opcode};
pub use receiver::{Reaction, Receiver, Request};
pub use rest::{Reply, Rest};
pub use server::{DataDirectory, Server, StopSignal, Whereabouts, free_port};
pub use shell::{Running, Shell};
pub use socket::{Frame, Refused, Socket};
pub use upload::{Upload, UploadAnswer};
pub use verifiers::Verifiers;
pub use waiting::{Deadline, PATIENCE, later, now, wait_for, wait_until};
