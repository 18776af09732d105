//! What can be wrong with a store?
//!
//! A store in memory behind a layer that breaks one promise. With no fault it breaks none, and with gaps it keeps
//! all of them in another way than ours: between two records there is always a sequence that nobody sees.

mod blobs;
mod definitions;
mod enclosed;
mod gaps;
mod keys;
mod log;
mod positions;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use photinus_conformance::store::Rig;
use photinus_conformance::store::make::answered;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{
    AppendError, Appended, CreateNamespaceError, NamespaceInfo, Namespaces, ParkedEntry, Store,
    StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, MessageId, Namespace, Sequence, SubscriptionId, Timestamp};
use photinus_store_memory::MemoryStore;

/// The promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    ForgetsUntilWhenAPauseIs,
    /// None, and leaves gaps.
    Gaps,
    // The order of the log, and how it is read.
    ReversesACall,
    ReadsFromTheBorder,
    NamesTheNewestBeforeTheCall,
    HasOneHeadForAllNamespaces,
    NeverSaysMore,
    ReadsBackOnlyWhatEndsBelow,
    ReadsBackTooManyBytes,
    // Records.
    DropsTheTag,
    FindsOnlyMessages,
    LosesLargeValues,
    KeepsTheKeyOfARefusedRecord,
    KeepsTheReplyKeyOfARefusedRecord,
    StoresARefusedDuplicate,
    // Answers and keys.
    MakesNamespacesByItself,
    StopsAtTheFirstBadRecord,
    ReversesTheAnswers,
    TakesAKeyTwice,
    SharesKeysAmongNamespaces,
    ChecksTheKeyBeforeItsTurn,
    AnswersADuplicateEarly,
    // What is seen.
    ShowsALaterRecordFirst,
    ShowsWhatWasAnsweredLate,
    ShowsHalfARecord,
    ShowsHeldWrites,
    // Calls.
    AppendsWhenPolled,
    CommitsWhenPolled,
    ReadsWhenPolled,
    ServesWhenClosed,
    SaysUnavailableWhenClosed,
    // Namespaces and subscriptions.
    ListsNamespacesBackwards,
    TakesANamespaceTwice,
    ReplacesGroups,
    ListsGroupsFromTheFirst,
    LosesDatatypes,
    ReadsDataOfOtherNamespaces,
    ListsDataFromTheOldest,
    ReplacesData,
    OnlyHidesDeletedData,
    ReadsBlobsFromTheirBeginning,
    ShowsUnfinishedBlobs,
    ListsPathsFromTheFirst,
    SharesBytesToTheEnd,
    LosesBlobsInACrash,
    // What is enclosed.
    FindsDatatypesOfAnyVersion,
    DefinesTwice,
    ListsDatatypesFromTheOldest,
    StoresTheDataOfARefusedRecord,
    ForgetsWhatMessagesReferTo,
    LosesDatatypesInACrash,
    StartsANewestAtTheOldest,
    LosesSecrets,
    SharesNamesAmongNamespaces,
    ListsSubscriptionsBackwards,
    KeepsOldSecrets,
    KeepsParkedEntriesOfTheDeleted,
    // Positions.
    CommitsWithAnOldEpoch,
    GivesAnEpochTwice,
    ForgetsWhatIsSettled,
    FailsAllCommitsWithOne,
    MovesBack,
    KeepsTheGenerationOfASought,
    SeeksWithoutFencing,
    MovesTheOffsetInAnUpdate,
    UpdatesWithoutFencing,
    ForgetsFailuresInEverySecondClaim,
    // Parked entries.
    ListsParkedBackwards,
    MarksAll,
    LosesMarksInACrash,
    ForgetsFailuresOfReplays,
    KeepsSettledEntries,
    UnparksWithAnOldEpoch,
    DiscardsWithoutSettling,
    UnparksBeforeThePosition,
    DiscardsBeforeThePosition,
    ParksWithAnOldEpoch,
    ForgetsParkedInASeek,
    // Replies.
    RepliesTwice,
    ForgetsRepliesInATakeover,
    ChecksTheReplyBeforeItsTurn,
    RepliesWithAnOldEpoch,
    SharesReplyKeysAmongGenerations,
    KeepsReplyKeysForEver,
    FreesReplyKeysOfTheParked,
    RepliesTwiceToTheEphemeral,
    // Trials.
    LeavesATrialBehind,
    NeverTakesATrial,
    TriesWhenClosed,
    // What is left.
    LosesPositionsInAClose,
    LosesReplyKeysInAClose,
    LosesKeysInACrash,
    LosesParkedInACrash,
    KeepsTheRefusedInACrash,
    LosesTheNewestInACrash,
    LosesEveryTenthInACrash,
    TearsARecordInACrash,
    KeepsALaterWriteInACrash,
}

/// What came before the store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Close,
    Crash,
}

/// A place for a store with one fault.
pub(crate) struct FaultRig {
    fault: Fault,
    data: MemoryStore,
    before: Before,
    kept: Arc<Mutex<Kept>>,
}

/// What the faults remember while a store is open.
#[derive(Default)]
struct State {
    keys: BTreeMap<(Namespace, Box<str>), MessageId>,
    refused_keys: BTreeMap<(Namespace, Box<str>), MessageId>,
    replies: BTreeMap<ReplyPlace, (MessageId, Option<u64>)>,
    freed_replies: BTreeSet<ReplyPlace>,
    shown: BTreeMap<MessageId, u32>,
    groups: Vec<photinus_contract::store::Group>,
    data: Vec<photinus_contract::Data>,
    shared: Vec<(photinus_contract::DataId, photinus_contract::Data)>,
    parked: BTreeMap<SubscriptionId, Vec<ParkedEntry>>,
    /// An epoch that is taken for the current one.
    forgiven: BTreeMap<SubscriptionId, u64>,
    claims: BTreeMap<SubscriptionId, u32>,
    sought: BTreeSet<SubscriptionId>,
    /// The newest records that were found when it was opened.
    newest: BTreeMap<Namespace, Sequence>,
    closed: bool,
}

type Answer = Result<Appended, AppendError>;
type ReplyPlace = (SubscriptionId, u64, Sequence);

/// What the faults remember over a close or a crash.
#[derive(Default)]
struct Kept {
    fillers: u64,
    refused: Vec<NewRecord>,
    committed: BTreeMap<SubscriptionId, Sequence>,
}

/// A store with one fault.
pub(crate) struct Wrong {
    inner: Arc<MemoryStore>,
    fault: Fault,
    before: Before,
    state: Arc<Mutex<State>>,
    kept: Arc<Mutex<Kept>>,
}

impl FaultRig {
    pub(crate) fn with(fault: Fault) -> Self {
        Self {
            fault,
            data: MemoryStore::new(),
            before: Before::Nothing,
            kept: Arc::default(),
        }
    }
}

impl Rig for FaultRig {
    fn new() -> Self {
        Self::with(Fault::None)
    }

    fn open(&mut self) -> Arc<dyn Store> {
        let store = Wrong {
            inner: Arc::new(self.data.clone()),
            fault: self.fault,
            before: self.before,
            state: Arc::default(),
            kept: self.kept.clone(),
        };
        store.recover();
        self.before = Before::Close;
        Arc::new(store)
    }

    fn crash(&mut self) -> bool {
        // Where a fault tears a write in two, the crash comes between these.
        self.data = match self.fault {
            Fault::UnparksBeforeThePosition => self.data.crash_after(1),
            Fault::DiscardsBeforeThePosition => self.data.crash_after(2),
            _ => self.data.crash(),
        };
        self.before = Before::Crash;
        true
    }

    fn hold(&mut self) -> Option<Box<dyn FnOnce()>> {
        self.data.hold_writes();
        let held = self.data.clone();
        Some(Box::new(move || held.release_all()))
    }
}

impl Wrong {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Whether it has this fault, and what it concerns has happened.
    fn is_after(&self, before: Before, fault: Fault) -> bool {
        self.before == before && self.is(fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Does what a store with this fault does when it is opened.
    fn recover(&self) {
        for info in now(self.inner.namespaces()).unwrap() {
            let newest = self.newest(&info.name);
            self.state().newest.insert(info.name, newest);
        }
        if self.is_after(Before::Crash, Fault::KeepsTheRefusedInACrash) {
            let refused = std::mem::take(&mut self.kept().refused);
            now(photinus_contract::store::Log::append(&*self.inner, refused));
        }
    }
}

impl Store for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn location(&self) -> String {
        format!("{:?}", self.fault)
    }

    fn trial_write(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        match self.fault {
            Fault::LeavesATrialBehind => {
                let info =
                    NamespaceInfo::new(Namespace::new("trial"), "", Timestamp::from_nanos(1));
                let created = self.inner.create_namespace(info);
                Box::pin(async {
                    match created.await {
                        Err(CreateNamespaceError::Store(error)) => Err(error),
                        _ => Ok(()),
                    }
                })
            }
            Fault::NeverTakesATrial => {
                let error = StoreError::new(StoreErrorKind::Full, "as always");
                Box::pin(async { Err(error) })
            }
            Fault::TriesWhenClosed | Fault::ServesWhenClosed => Box::pin(async { Ok(()) }),
            Fault::SaysUnavailableWhenClosed => {
                let tried = self.inner.trial_write();
                then(tried, |tried| tried.map_err(unavailable))
            }
            _ => self.inner.trial_write(),
        }
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.state().closed = true;
        match self.fault {
            Fault::ServesWhenClosed => Box::pin(async { Ok(()) }),
            _ => self.inner.close(),
        }
    }
}

/// The answer of a call that the store in memory answers at once.
fn now<T>(mut wait: BoxFuture<'static, T>) -> T {
    answered(&mut wait).expect("an answer at once")
}

/// The answer that is given, changed.
fn then<T: Send + 'static>(
    wait: BoxFuture<'static, T>,
    change: impl FnOnce(T) -> T + Send + 'static,
) -> BoxFuture<'static, T> {
    Box::pin(async move { change(wait.await) })
}

/// As a store says it that does not know the classes.
fn unavailable(error: StoreError) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, error.to_string())
}
