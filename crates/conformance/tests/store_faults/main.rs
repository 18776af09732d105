//! Does the suite refuse a store that breaks a promise, and pass one that keeps them in another way than ours?
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod wrong;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use photinus_conformance::store;
use wrong::{Fault, FaultRig};

mod without_a_fault {
    use crate::wrong::FaultRig;

    photinus_conformance::store_suite!(FaultRig);
}

mod with_gaps {
    use std::sync::Arc;

    use photinus_conformance::store::Rig;
    use photinus_contract::store::Store;

    use crate::wrong::{Fault, FaultRig};

    struct Gaps(FaultRig);

    impl Rig for Gaps {
        fn new() -> Self {
            Self(FaultRig::with(Fault::Gaps))
        }
        fn open(&mut self) -> Arc<dyn Store> {
            self.0.open()
        }
        fn crash(&mut self) -> bool {
            self.0.crash()
        }
        fn hold(&mut self) -> Option<Box<dyn FnOnce()>> {
            self.0.hold()
        }
    }

    photinus_conformance::store_suite!(Gaps);
}

/// A fault, the rule that has to refuse it, and the rule itself.
type Case = (Fault, &'static str, Box<dyn Fn(FaultRig)>);

macro_rules! cases {
    ($($group:ident :: $rule:ident refuses $($fault:ident)+;)*) => {
        vec![$($((
            Fault::$fault,
            concat!(stringify!($group), "::", stringify!($rule)),
            Box::new(|rig| store::check(Box::new(rig), store::$group::$rule)),
        ),)+)*]
    };
}

fn cases() -> Vec<Case> {
    cases! {
        order::sequences_rise_in_the_order_of_the_calls refuses ReversesACall;
        order::reads_see_what_ends_after_the_border_in_order refuses ReadsFromTheBorder;
        order::an_answer_names_the_newest_sequence_before_the_record refuses NamesTheNewestBeforeTheCall;
        order::namespaces_do_not_mix refuses HasOneHeadForAllNamespaces;
        order::reads_stop_at_their_limits_and_say_so refuses NeverSaysMore;
        order::reading_back_begins_below_the_border refuses
            ReadsBackOnlyWhatEndsBelow ReadsBackTooManyBytes;
        records::a_record_comes_back_as_it_was refuses DropsTheTag;
        records::a_record_is_found_by_the_id_of_each_part refuses FindsOnlyMessages;
        records::values_are_read_whether_inline_or_apart refuses LosesLargeValues;
        records::a_refused_record_leaves_nothing refuses
            KeepsTheKeyOfARefusedRecord KeepsTheReplyKeyOfARefusedRecord StoresARefusedDuplicate
            MakesNamespacesByItself StopsAtTheFirstBadRecord;
        answers::each_record_is_answered_for_itself refuses
            MakesNamespacesByItself StopsAtTheFirstBadRecord;
        answers::answers_come_in_the_order_of_the_records refuses ReversesTheAnswers;
        answers::a_key_is_taken_once_also_within_one_call refuses
            TakesAKeyTwice StoresARefusedDuplicate;
        answers::a_key_belongs_to_its_namespace refuses SharesKeysAmongNamespaces;
        answers::a_key_that_many_want_at_once_has_one_holder refuses ChecksTheKeyBeforeItsTurn;
        answers::a_duplicate_is_answered_only_when_its_holder_is_durable refuses
            AnswersADuplicateEarly;
        visibility::no_reader_sees_a_record_before_an_earlier_one refuses ShowsALaterRecordFirst;
        visibility::an_answered_record_is_seen_by_everybody_at_once refuses
            ShowsWhatWasAnsweredLate;
        visibility::a_record_is_seen_whole_while_others_are_written refuses ShowsHalfARecord;
        visibility::what_is_not_durable_is_not_seen refuses ShowsHeldWrites;
        calls::writes_take_effect_in_the_order_of_the_calls refuses AppendsWhenPolled;
        calls::positions_are_written_in_the_order_of_the_calls refuses CommitsWhenPolled;
        calls::a_write_happens_though_its_future_is_dropped refuses
            AppendsWhenPolled CommitsWhenPolled;
        calls::a_closed_store_answers_what_came_before refuses AppendsWhenPolled ReadsWhenPolled;
        calls::a_closed_store_refuses_everything_as_closed refuses
            ServesWhenClosed SaysUnavailableWhenClosed TriesWhenClosed;
        calls::a_trial_write_is_answered_and_leaves_nothing refuses
            LeavesATrialBehind NeverTakesATrial;
        namespaces::namespaces_are_listed_by_name refuses ListsNamespacesBackwards;
        namespaces::a_namespace_is_created_once refuses TakesANamespaceTwice;
        namespaces::groups_stay_as_they_were_first_stored refuses ReplacesGroups;
        namespaces::groups_are_listed_by_their_first_use refuses ListsGroupsFromTheFirst;
        stored::data_comes_back_as_it_was refuses LosesDatatypes ReadsDataOfOtherNamespaces;
        stored::data_is_listed_newest_first_in_pages refuses ListsDataFromTheOldest;
        stored::an_id_of_data_is_taken_once refuses ReplacesData;
        stored::deleted_data_is_gone refuses OnlyHidesDeletedData;
        blobs::a_blob_is_read_as_it_was_written refuses ReadsBlobsFromTheirBeginning;
        blobs::a_blob_comes_and_goes_with_its_data refuses ShowsUnfinishedBlobs;
        blobs::data_is_found_by_what_is_known_of_its_blob refuses ListsPathsFromTheFirst;
        blobs::a_shared_blob_outlives_the_other refuses SharesBytesToTheEnd;
        blobs::a_blob_is_whole_or_gone_after_a_crash refuses LosesBlobsInACrash;
        enclosed::a_datatype_comes_with_its_record refuses FindsDatatypesOfAnyVersion;
        enclosed::a_datatype_is_defined_once refuses DefinesTwice;
        enclosed::datatypes_are_listed_newest_first_in_pages refuses ListsDatatypesFromTheOldest;
        enclosed::enclosed_data_is_stored_with_its_record_or_not_at_all refuses
            StoresTheDataOfARefusedRecord;
        enclosed::messages_are_found_by_the_values_that_they_refer_to refuses
            ForgetsWhatMessagesReferTo;
        enclosed::what_was_enclosed_is_found_after_a_crash refuses LosesDatatypesInACrash;
        subscriptions::a_subscription_starts_where_it_was_asked_to refuses
            StartsANewestAtTheOldest LosesSecrets;
        subscriptions::names_are_unique_in_their_namespace refuses SharesNamesAmongNamespaces;
        subscriptions::they_are_listed_in_the_order_of_creation refuses ListsSubscriptionsBackwards;
        subscriptions::an_update_replaces_the_whole refuses KeepsOldSecrets;
        subscriptions::a_pause_stays_until_it_is_taken_back refuses ForgetsUntilWhenAPauseIs;
        subscriptions::a_deletion_forgets_everything refuses KeepsParkedEntriesOfTheDeleted;
        positions::a_claim_fences_whoever_claimed_before refuses CommitsWithAnOldEpoch;
        positions::of_many_who_claim_at_once_one_can_commit refuses
            GivesAnEpochTwice CommitsWithAnOldEpoch;
        positions::a_commit_is_read_back_whole refuses ForgetsWhatIsSettled;
        positions::each_commit_is_answered_for_itself refuses FailsAllCommitsWithOne;
        positions::an_offset_moves_only_forwards_and_within_the_log refuses MovesBack;
        positions::a_position_that_nobody_could_go_on_from_is_refused refuses MovesBack;
        positions::a_seek_raises_epoch_and_generation refuses
            KeepsTheGenerationOfASought SeeksWithoutFencing;
        positions::an_update_keeps_the_offset_and_fences refuses
            MovesTheOffsetInAnUpdate UpdatesWithoutFencing;
        parked::entries_are_listed_in_order_and_replaced refuses ListsParkedBackwards;
        parked::each_entry_is_fenced_and_answered_for_itself refuses ParksWithAnOldEpoch;
        parked::entries_outlive_a_seek_and_a_new_owner refuses ForgetsParkedInASeek;
        parked::marked_entries_are_found_until_they_are_parked_again refuses
            MarksAll LosesMarksInACrash ForgetsFailuresOfReplays;
        parked::an_entry_goes_with_the_position_that_settles_it refuses
            KeepsSettledEntries UnparksWithAnOldEpoch;
        parked::what_is_discarded_is_settled refuses DiscardsWithoutSettling;
        parked::a_seek_keeps_the_reply_key_of_a_parked_event refuses FreesReplyKeysOfTheParked;
        parked::a_key_goes_with_the_last_entry_of_its_event refuses KeepsReplyKeysForEver;
        parked::an_entry_and_its_position_go_together_in_a_crash refuses
            UnparksBeforeThePosition DiscardsBeforeThePosition;
        replies::an_event_is_answered_once refuses RepliesTwice ForgetsRepliesInATakeover;
        replies::a_reply_that_many_give_at_once_is_stored_once refuses ChecksTheReplyBeforeItsTurn;
        replies::a_reply_of_a_former_owner_is_refused refuses RepliesWithAnOldEpoch;
        replies::a_key_belongs_to_its_subscription_and_generation refuses
            SharesReplyKeysAmongGenerations;
        replies::a_key_goes_when_the_offset_has_passed refuses KeepsReplyKeysForEver;
        replies::a_key_stays_while_an_entry_is_parked refuses FreesReplyKeysOfTheParked;
        replies::an_ephemeral_subscription_answers_without_an_owner refuses
            RepliesTwiceToTheEphemeral;
        reopen::everything_answered_is_found_after_a_close refuses
            LosesPositionsInAClose LosesReplyKeysInAClose;
        reopen::everything_answered_is_found_after_a_crash refuses
            LosesKeysInACrash LosesParkedInACrash KeepsTheRefusedInACrash LosesTheNewestInACrash;
        reopen::what_was_answered_is_found_after_a_crash_amid_writes refuses
            LosesEveryTenthInACrash TearsARecordInACrash;
        reopen::what_was_held_is_whole_or_gone_after_a_crash refuses KeepsALaterWriteInACrash;
    }
}

fn histories(fault: Fault) {
    store::histories::random_histories_end_as_the_model_does(|| Box::new(FaultRig::with(fault)));
}

#[test]
fn every_fault_is_refused_by_its_rule() {
    let mut passed = Vec::new();
    for (fault, name, rule) in cases() {
        let outcome = catch_unwind(AssertUnwindSafe(|| rule(FaultRig::with(fault))));
        match outcome {
            Ok(()) => passed.push(format!("{fault:?} by {name}")),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().unwrap();
                let promise = name.split("::").last().unwrap().replace('_', " ");
                assert!(said.contains(&promise), "{name}: {said}");
            }
        }
    }
    assert!(passed.is_empty(), "not refused: {passed:#?}");
}

#[test]
fn random_histories_refuse_what_shows_only_after_several_calls() {
    for fault in [
        Fault::ForgetsFailuresInEverySecondClaim,
        Fault::FreesReplyKeysOfTheParked,
        Fault::CommitsWithAnOldEpoch,
        Fault::LosesTheNewestInACrash,
        Fault::KeepsSettledEntries,
        Fault::ForgetsFailuresOfReplays,
        Fault::DiscardsWithoutSettling,
        Fault::MarksAll,
    ] {
        let outcome = catch_unwind(|| histories(fault));
        let Err(said) = outcome else {
            panic!("{fault:?} is not refused");
        };
        let said = said.downcast_ref::<String>().unwrap();
        assert!(
            said.starts_with("random histories end as the model does\n  ")
                && said.contains("src/store/"),
            "{fault:?}: {said}"
        );
    }
}

#[test]
fn every_rule_refuses_a_fault() {
    let refusing: BTreeSet<_> = cases().into_iter().map(|(_, rule, _)| rule).collect();
    let all: BTreeSet<_> = without_a_fault::STORE_RULES.iter().copied().collect();
    assert_eq!(refusing, all);
}

#[test]
#[should_panic(expected = "secrets: None instead of Some")]
fn a_lost_secret_is_named() {
    let rig = FaultRig::with(Fault::LosesSecrets);
    store::check(
        Box::new(rig),
        store::subscriptions::a_subscription_starts_where_it_was_asked_to,
    );
}
