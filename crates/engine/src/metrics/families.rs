//! Which figures does the engine have?

use super::Family;

const NS: &[&str] = &["ns"];
const LANE: &[&str] = &["ns", "transport"];
const SUBSCRIPTION: &[&str] = &["ns", "subscription"];

/// Declares the families and lists them, so that none is forgotten.
macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = $make:ident($($argument:expr),* $(,)?);)*) => {
        $($(#[$doc])* pub(super) static $name: Family = Family::$make($($argument),*);)*
        /// All figures of the engine.
        pub static FAMILIES: &[&Family] = &[$(&$name),*];
    };
}

families! {
    // Messages on their way in.
    PUBLISHED = counter("photinus_messages_published_total", &["ns", "kind", "route"],
        "Messages that were committed, by kind (broadcast, private) and by the way they came in: rest, confirm (a request that waited for the commit or a reply), bulk, socket, transport, reply.");
    EVENTS = counter("photinus_events_published_total", NS,
        "Events that were committed: one for each topic of each message.");
    PUBLISHED_BYTES = counter("photinus_published_bytes_total", NS,
        "Bytes of the messages that were committed, with their events and values.");
    PUBLISH_DURATION = histogram("photinus_publish_duration_seconds", &[],
        "Time from the moment a message was checked until it was committed, the wait for its group included.");
    REFUSED = counter("photinus_publish_refused_total", &["code"],
        "Messages that were refused, by the code of the error. PH00503: the store did not take them.");
    FF_BROADCAST_SUBMITTED = counter("ff_broadcast_submitted_total", NS,
        "Number of submitted broadcasts");
    FF_BROADCAST_CONFIRMED = counter("ff_broadcast_confirmed_total", NS,
        "Number of confirmed broadcasts");
    FF_BROADCAST_REJECTED = counter("ff_broadcast_rejected_total", NS,
        "Number of rejected broadcasts");
    FF_BROADCAST_HISTOGRAM = histogram("ff_broadcast_histogram", NS,
        "Histogram of broadcasts, bucketed by time to finished (seconds)");
    FF_PRIVATE_SUBMITTED = counter("ff_private_msg_submitted_total", NS,
        "Number of submitted private messages");
    FF_PRIVATE_CONFIRMED = counter("ff_private_msg_confirmed_total", NS,
        "Number of confirmed private messages");
    FF_PRIVATE_REJECTED = counter("ff_private_msg_rejected_total", NS,
        "Number of rejected private messages");
    FF_PRIVATE_HISTOGRAM = histogram("ff_private_msg_histogram", NS,
        "Histogram of private messages, bucketed by time to finished (seconds)");

    // Commits.
    GROUP_RECORDS = histogram("photinus_commit_group_records", &[],
        "Messages that were committed together.");
    GROUP_BYTES = histogram("photinus_commit_group_bytes", &[],
        "Bytes of the messages that were committed together.");
    GROUP_DURATION = histogram("photinus_commit_duration_seconds", &[],
        "Time the store took for a group, its fsync included.");
    QUEUE_RECORDS = gauge("photinus_commit_queue_records", &[],
        "Messages that wait for their commit.");
    QUEUE_BYTES = gauge("photinus_commit_queue_bytes", &[],
        "Bytes of the messages that wait for their commit. At [engine] commit_bytes_max publishers have to wait.");
    STORE_FAILING = gauge("photinus_store_failing", &[],
        "1 while the store refuses writes (then /readyz says why), else 0.");

    // The log and how it is read.
    NAMESPACES = gauge("photinus_namespaces", &[],
        "Namespaces.");
    HEAD = gauge("photinus_head_sequence", NS,
        "Sequence of the newest event.");
    TAIL_RECORDS = gauge("photinus_tail_records", NS,
        "Newest messages that are kept in memory for the subscriptions that keep up.");
    TAIL_BYTES = gauge("photinus_tail_bytes", NS,
        "Bytes of the newest messages in memory; at most [engine] tail_bytes_max.");
    TURNS = counter("photinus_shard_turns_total", &[],
        "How often those who drive the subscriptions looked for something to do. It stands still while nothing happens.");
    FEEDS = counter("photinus_feeds_total", &["source"],
        "Looks into the log for a subscription, by what answered them: tail (it keeps up) or pages (it catches up).");
    MATCHER_EVENTS = counter("photinus_matcher_events_total", &[],
        "Events that were held against filters: once for all subscriptions of a shard that keep up, and once for each that catches up.");
    MATCHER_MATCHES = counter("photinus_matcher_matches_total", &[],
        "Times that one matched a subscription.");
    PAGES_READ = counter("photinus_pages_read_total", &[],
        "Pages of the log that were read from the store for subscriptions that catch up.");
    PAGES_SHARED = counter("photinus_pages_shared_total", &[],
        "Times that a subscription found its page in memory, or on its way there.");
    PAGES_FAILED = counter("photinus_pages_failed_total", &[],
        "Pages that could not be read; each is tried again.");
    PAGES_READ_BYTES = counter("photinus_pages_read_bytes_total", &[],
        "Bytes of the pages that were read.");
    PAGES_READ_RECORDS = counter("photinus_pages_read_records_total", &[],
        "Messages of the pages that were read. Divided by those that were to be caught up with: how often each was read.");
    PAGES_BYTES = gauge("photinus_pages_bytes", &[],
        "Bytes of the pages in memory; at most [engine] pages_bytes_max.");
    FILTERS_BYTES = gauge("photinus_filters_bytes", &[],
        "Bytes of memory that the filters of all subscriptions take; new ones are refused above [engine] filters_bytes_max.");

    // Deliveries.
    DELIVERED = counter("photinus_deliveries_total", LANE,
        "Events that were handed over to a connection, repetitions included.");
    BATCHES = counter("photinus_delivery_batches_total", LANE,
        "Batches that were handed over. Their events count as deliveries.");
    NOT_TAKEN = counter("photinus_hand_overs_refused_total", &["ns", "transport", "reason"],
        "Deliveries and batches that the transport did not take: busy and closed are no attempts, failed is one.");
    VOIDED = counter("photinus_deliveries_voided_total", LANE,
        "Deliveries and batches that are not current any more, because of a rewind, an ack timeout or a change.");
    LATE = counter("photinus_late_answers_total", LANE,
        "Answers to deliveries that were not current any more. They change nothing.");
    OUTCOMES = counter("photinus_outcomes_total", &["ns", "transport", "outcome"],
        "How deliveries of events ended: ack, reply (an ack with an answer), retry, park, skip, pause.");
    ACK_LATENCY = histogram("photinus_ack_latency_seconds", &["transport"],
        "Time from the hand-over of a delivery or batch to its outcome.");
    IN_FLIGHT = gauge("photinus_in_flight", LANE,
        "Events that are with the applications, not answered yet.");
    OFFSET_WRITES = counter("photinus_offset_writes_total", &["result"],
        "Positions of subscriptions that were written, by result: written, fenced (a newer owner has it), failed (tried again).");

    // Subscriptions and connections.
    CONNECTIONS = gauge("photinus_connections", &["transport"],
        "Connections that are attached to subscriptions.");
    CONNECTIONS_OPENED = counter("photinus_connections_opened_total", &[],
        "Connections that were ever attached.");
    SUBSCRIPTIONS = gauge("photinus_subscriptions", LANE,
        "Durable subscriptions.");
    ACTIVE = gauge("photinus_subscriptions_active", LANE,
        "Durable subscriptions that a connection serves.");
    EPHEMERAL = gauge("photinus_ephemeral_subscriptions", LANE,
        "Subscriptions that live with their connection.");
    BEHIND = gauge("photinus_subscriptions_behind", LANE,
        "Durable subscriptions whose offset is below the newest event.");
    PAUSED = gauge("photinus_subscriptions_paused", LANE,
        "Subscriptions with a connection that are paused, by an operator or by an outcome.");
    DELAYED = gauge("photinus_subscriptions_delayed", LANE,
        "Subscriptions that wait before they try again what failed.");
    LAG = gauge("photinus_lag_sequences", LANE,
        "Sequences between the offsets of all durable subscriptions and the newest event, added up.");
    LAG_MAX = gauge("photinus_lag_sequences_max", LANE,
        "The same, of the subscription that is furthest behind.");
    PARKED = gauge("photinus_parked", LANE,
        "Events that are parked.");
    LEFT_OUT = gauge("photinus_subscriptions_left_out", &[],
        "Durable subscriptions without figures of their own, because there are more than [monitoring] subscriptions_max. Those furthest behind are shown; the rest counts in the figures by transport.");

    // Each subscription.
    S_LAG = gauge("photinus_subscription_lag_sequences", SUBSCRIPTION,
        "Sequences between its offset and the newest event. A subscription that nobody serves passes nothing, so there it counts what its filter would not match, too.");
    S_OLDEST = gauge("photinus_subscription_oldest_unsettled_seconds", SUBSCRIPTION,
        "Age of the oldest event that is not settled; of a subscription that nobody serves, of the oldest after its offset. 0 if there is none. Missing while it is not known.");
    S_OFFSET = gauge("photinus_subscription_offset_sequence", SUBSCRIPTION,
        "Its offset: everything up to this sequence is settled.");
    S_IN_FLIGHT = gauge("photinus_subscription_in_flight", SUBSCRIPTION,
        "Its events that are with the application.");
    S_ACTIVE = gauge("photinus_subscription_active", SUBSCRIPTION,
        "1 if a connection serves it, else 0.");
    S_PAUSED = gauge("photinus_subscription_paused", SUBSCRIPTION,
        "1 if it has a connection and is paused, by an operator or by an outcome, else 0.");
    S_ATTEMPTS = gauge("photinus_subscription_failed_attempts", SUBSCRIPTION,
        "Counted failures of its oldest event that is not settled.");
    S_PARKED = gauge("photinus_subscription_parked", SUBSCRIPTION,
        "Its events that are parked.");
    S_DELIVERED = counter("photinus_subscription_deliveries_total", SUBSCRIPTION,
        "Its events that were handed over, repetitions included.");
    S_SETTLED = counter("photinus_subscription_answers_total", SUBSCRIPTION,
        "Its deliveries of events that ended with ack, reply, park or skip.");
    S_FAILED = counter("photinus_subscription_failures_total", SUBSCRIPTION,
        "Its deliveries that ended with retry, and hand-overs that failed.");
    S_VOIDED = counter("photinus_subscription_voided_total", SUBSCRIPTION,
        "Its deliveries and batches that were voided.");

    // The store.
    STORE_DATABASE = gauge("photinus_store_database_bytes", &[],
        "Size of the database.");
    STORE_WRITE_AHEAD = gauge("photinus_store_write_ahead_bytes", &[],
        "Size of the write-ahead file. One that keeps growing is not brought into the database; the log says why.");
    STORE_BLOBS = gauge("photinus_store_blob_bytes", &[],
        "Size of all blobs, those that are being uploaded included.");
    STORE_TRANSACTIONS = counter("photinus_store_transactions_total", &[],
        "Transactions that the store has tried to commit: groups of messages, positions and changes together.");
    STORE_TRANSACTION_SECONDS = counter("photinus_store_transaction_seconds_total", &[],
        "Time that they took. Its rate is how busy the writer is.");
    STORE_SYNC_SECONDS = counter("photinus_store_commit_seconds_total", &[],
        "The part of that time in which they were brought to the disk.");
    STORE_CHECKPOINTS = counter("photinus_store_checkpoints_total", &[],
        "Times that the write-ahead file was brought into the database.");
    STORE_CHECKPOINT_SECONDS = counter("photinus_store_checkpoint_seconds_total", &[],
        "Time that this took.");
}
