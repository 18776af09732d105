//! What must hold for every store?
//!
//! Each test gets an empty store. `store_suite!` turns them into `#[test]`s for one kind of store; its argument
//! is a function that opens an empty one, together with whatever has to live as long.

// Each file of tests uses a part of this.
#![allow(dead_code, unused_imports, unused_macros)]

mod log;
mod make;
mod positions;

pub use self::log::*;
pub use self::make::*;
pub use self::positions::*;

#[macro_export]
macro_rules! store_suite {
    ($open:path) => {
        $crate::store_suite! {
            $open:
            sequences_rise_from_one_and_reads_see_them_in_order
            a_record_comes_back_as_it_was
            each_record_is_answered_for_itself
            a_key_is_taken_once_also_within_one_group
            a_key_belongs_to_its_namespace
            namespaces_are_numbered_apart
            reads_stop_at_their_limits_and_say_so
            reading_back_begins_below_the_border
            a_record_is_found_by_the_id_of_each_part
            values_are_read_whether_inline_or_apart
            writes_take_effect_in_the_order_of_the_calls
            namespaces_are_listed_by_name
            groups_stay_as_they_were_first_stored
            a_subscription_starts_where_it_was_asked_to
            names_of_subscriptions_are_unique_in_their_namespace
            subscriptions_are_listed_in_the_order_of_creation
            a_claim_fences_whoever_claimed_before
            a_commit_is_read_back_whole
            each_commit_is_answered_for_itself
            an_offset_moves_only_forwards_and_within_the_log
            a_seek_raises_epoch_and_generation
            an_update_keeps_the_offset_and_fences
            parked_entries_are_listed_in_order_and_replaced
            an_event_is_answered_once
            a_reply_of_a_former_owner_is_refused
            the_key_of_a_reply_goes_when_the_offset_has_passed
            a_deletion_forgets_everything
            a_closed_store_answers_what_came_before_and_refuses_the_rest
        }
    };
    ($open:path: $($test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                let (store, _kept) = $open();
                $crate::suite::$test(&store).await;
            }
        )*
    };
}
