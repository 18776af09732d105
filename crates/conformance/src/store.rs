//! Does a store keep its promises?
//!
//! A store of any kind is tried by the same rules. Its author writes a [`Rig`], which opens the store, and
//! [`store_suite!`](crate::store_suite) makes a `#[test]` of every rule:
//!
//! ```
//! use std::sync::Arc;
//!
//! use photinus_conformance::store::Rig;
//! use photinus_contract::store::Store;
//! use photinus_store_memory::MemoryStore;
//!
//! struct Mine(MemoryStore);
//!
//! impl Rig for Mine {
//!     fn new() -> Self {
//!         Self(MemoryStore::new())
//!     }
//!     fn open(&mut self) -> Arc<dyn Store> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! photinus_conformance::store_suite!(Mine);
//! # fn main() {}
//! ```
//!
//! What a rig cannot do is said on standard error, once for each rule that needs it:
//! `skipped: reopen::everything_answered_is_found_after_a_crash: the rig cannot crash its store`.
//! A store may leave gaps between the sequences of records; no rule relies on their density.
//!
//! `docs/guide/write-a-store.md` tells in which order to build a store, and what each group of rules means.
#![allow(
    clippy::unwrap_used,
    reason = "a rule that finds a promise broken panics: it is a test"
)]

pub mod answers;
pub mod blobs;
pub mod calls;
pub mod enclosed;
pub mod histories;
pub mod make;
pub mod namespaces;
pub mod order;
pub mod parked;
pub mod positions;
pub mod records;
pub mod reopen;
pub mod replies;
pub mod stored;
pub mod subscriptions;
pub mod visibility;

mod model;
mod quiet;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::store::Store;

/// How long one rule may take.
const RULE_TIME_MAX: Duration = Duration::from_secs(120);

/// A place where one store keeps its data, and what can be done to it.
///
/// ```text
///   new ─▶ open ─▶ (close or crash) ─▶ open ─▶ …       the data stays, the store is a new one
/// ```
pub trait Rig: 'static {
    /// A place with nothing in it.
    fn new() -> Self
    where
        Self: Sized;

    /// Opens the store on what the place holds: nothing at first, later what the store before has left, which
    /// was closed ([`Store::close`]) or [crashed](Self::crash). Several handles to it may still exist.
    fn open(&mut self) -> Arc<dyn Store>;

    /// Makes the place what a crash at this very moment leaves: all that was durable, no orderly close. The
    /// store that was open is not used any more, though writes may be under way in it. False if the rig has no
    /// way to do that; then nothing has happened.
    fn crash(&mut self) -> bool {
        false
    }

    /// From now on nothing that the open store writes becomes durable, until the returned function is called; that
    /// comes within a second. `None` if the rig has no way to do that.
    fn hold(&mut self) -> Option<Box<dyn FnOnce()>> {
        None
    }
}

/// Turns the rules into tests for one kind of store, named by its [`Rig`].
#[macro_export]
macro_rules! store_suite {
    ($rig:ty) => {
        $crate::store_suite! {
            $rig:
            order {
                sequences_rise_in_the_order_of_the_calls
                reads_see_what_ends_after_the_border_in_order
                an_answer_names_the_newest_sequence_before_the_record
                namespaces_do_not_mix
                reads_stop_at_their_limits_and_say_so
                reading_back_begins_below_the_border
            }
            records {
                a_record_comes_back_as_it_was
                a_record_is_found_by_the_id_of_each_part
                values_are_read_whether_inline_or_apart
                a_refused_record_leaves_nothing
            }
            answers {
                each_record_is_answered_for_itself
                answers_come_in_the_order_of_the_records
                a_key_is_taken_once_also_within_one_call
                a_key_belongs_to_its_namespace
                a_key_that_many_want_at_once_has_one_holder
                a_duplicate_is_answered_only_when_its_holder_is_durable
            }
            visibility {
                no_reader_sees_a_record_before_an_earlier_one
                an_answered_record_is_seen_by_everybody_at_once
                a_record_is_seen_whole_while_others_are_written
                what_is_not_durable_is_not_seen
            }
            calls {
                writes_take_effect_in_the_order_of_the_calls
                positions_are_written_in_the_order_of_the_calls
                a_write_happens_though_its_future_is_dropped
                a_closed_store_answers_what_came_before
                a_closed_store_refuses_everything_as_closed
                a_trial_write_is_answered_and_leaves_nothing
            }
            namespaces {
                namespaces_are_listed_by_name
                a_namespace_is_created_once
                groups_stay_as_they_were_first_stored
                groups_are_listed_by_their_first_use
            }
            stored {
                data_comes_back_as_it_was
                data_is_listed_newest_first_in_pages
                an_id_of_data_is_taken_once
                deleted_data_is_gone
            }
            blobs {
                a_blob_is_read_as_it_was_written
                a_blob_comes_and_goes_with_its_data
                data_is_found_by_what_is_known_of_its_blob
                a_shared_blob_outlives_the_other
                a_blob_is_whole_or_gone_after_a_crash
            }
            enclosed {
                a_datatype_comes_with_its_record
                a_datatype_is_defined_once
                datatypes_are_listed_newest_first_in_pages
                enclosed_data_is_stored_with_its_record_or_not_at_all
                messages_are_found_by_the_values_that_they_refer_to
                what_was_enclosed_is_found_after_a_crash
            }
            subscriptions {
                a_subscription_starts_where_it_was_asked_to
                names_are_unique_in_their_namespace
                they_are_listed_in_the_order_of_creation
                an_update_replaces_the_whole
                a_pause_stays_until_it_is_taken_back
                a_deletion_forgets_everything
            }
            positions {
                a_claim_fences_whoever_claimed_before
                of_many_who_claim_at_once_one_can_commit
                a_commit_is_read_back_whole
                each_commit_is_answered_for_itself
                an_offset_moves_only_forwards_and_within_the_log
                a_position_that_nobody_could_go_on_from_is_refused
                a_seek_raises_epoch_and_generation
                an_update_keeps_the_offset_and_fences
            }
            parked {
                entries_are_listed_in_order_and_replaced
                each_entry_is_fenced_and_answered_for_itself
                entries_outlive_a_seek_and_a_new_owner
                marked_entries_are_found_until_they_are_parked_again
                an_entry_goes_with_the_position_that_settles_it
                what_is_discarded_is_settled
                a_seek_keeps_the_reply_key_of_a_parked_event
                a_key_goes_with_the_last_entry_of_its_event
                an_entry_and_its_position_go_together_in_a_crash
            }
            replies {
                an_event_is_answered_once
                a_reply_that_many_give_at_once_is_stored_once
                a_reply_of_a_former_owner_is_refused
                a_key_belongs_to_its_subscription_and_generation
                a_key_goes_when_the_offset_has_passed
                a_key_stays_while_an_entry_is_parked
                an_ephemeral_subscription_answers_without_an_owner
            }
            reopen {
                everything_answered_is_found_after_a_close
                everything_answered_is_found_after_a_crash
                what_was_answered_is_found_after_a_crash_amid_writes
                what_was_held_is_whole_or_gone_after_a_crash
            }
        }
        /// Whether random calls, with closes and crashes in between, do what a simple model does.
        #[test]
        fn random_histories_end_as_the_model_does() {
            $crate::store::histories::random_histories_end_as_the_model_does(|| {
                Box::new(<$rig as $crate::store::Rig>::new())
            });
        }
    };
    ($rig:ty: $($group:ident { $($rule:ident)* })*) => {
        /// The names of the rules, but for the random histories.
        #[allow(dead_code)]
        pub(crate) const STORE_RULES: &[&str] = &[
            $($(concat!(stringify!($group), "::", stringify!($rule)),)*)*
        ];
        $(mod $group {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $rule() {
                    let rig = <$rig as $crate::store::Rig>::new();
                    $crate::store::check(Box::new(rig), $crate::store::$group::$rule);
                }
            )*
        })*
    };
}

/// Tries one rule on a store with nothing in it. Panics with its promise if the rule is broken, or takes more than
/// two minutes.
pub fn check<R: AsyncFnOnce(&mut dyn Rig)>(rig: Box<dyn Rig>, rule: R) {
    let promise = words(std::any::type_name::<R>());
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| on_a_runtime(rig, rule))) else {
        return;
    };
    let seen = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    let broken = format!("the store does not keep its promise: {promise}");
    // What was seen is printed already, with its place.
    eprintln!("{broken}");
    resume_unwind(Box::new(format!(
        "{broken}\n  {}",
        seen.unwrap_or_default()
    )));
}

/// What the path of a rule says, in words.
fn words(path: &str) -> String {
    let mut names = path.rsplit("::").filter(|name| !name.starts_with('{'));
    names.next().unwrap_or_default().replace('_', " ")
}

fn on_a_runtime(mut rig: Box<dyn Rig>, rule: impl AsyncFnOnce(&mut dyn Rig)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(RULE_TIME_MAX, rule(&mut *rig))
            .await
            .expect("the rule did not come to an end in time");
    });
    // What still runs must not outlive the data.
    drop(runtime);
}

/// Says that a rule was not tried. Written past the capture of test output, so that it is seen.
fn skipped(rule: &str, lacking: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {rule}: {lacking}");
}

/// Crashes the store and opens what is left; `None`, and a word about it, if the rig cannot.
fn crash_and_open(rig: &mut dyn Rig, rule: &str) -> Option<Arc<dyn Store>> {
    if rig.crash() {
        return Some(rig.open());
    }
    skipped(rule, "the rig cannot crash its store");
    None
}

/// What is left after a crash; after a close, if the rig cannot crash its store.
async fn crash_or_close(rig: &mut dyn Rig, store: Arc<dyn Store>) -> Arc<dyn Store> {
    match rig.crash() {
        true => rig.open(),
        false => close_and_open(rig, store).await,
    }
}

/// Holds what is written; `None`, and a word about it, if the rig cannot.
fn hold(rig: &mut dyn Rig, rule: &str) -> Option<Box<dyn FnOnce()>> {
    let release = rig.hold();
    if release.is_none() {
        skipped(rule, "the rig cannot hold what its store writes");
    }
    release
}

/// Closes the store and opens what is left.
async fn close_and_open(rig: &mut dyn Rig, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await.unwrap();
    drop(store);
    rig.open()
}
