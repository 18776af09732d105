//! How can a log be wrong?

use std::sync::Arc;

use photinus_contract::id::DataId;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{
    Appended, Log, Namespaces, Page, ReadLimit, StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, Data, Namespace, Record, Sequence};
use uuid::Uuid;

use super::gaps::is_filler;
use super::{Answer, Before, Fault, Wrong, now, then, unavailable};

impl Log for Wrong {
    fn append(&self, mut records: Vec<NewRecord>) -> BoxFuture<'static, Vec<Answer>> {
        let inner = self.inner.clone();
        let spoil = |record| self.spoil_enclosed(record);
        records.iter_mut().for_each(spoil);
        match self.fault {
            Fault::Gaps => self.append_with_gaps(records),
            Fault::AppendsWhenPolled => Box::pin(async move { inner.append(records).await }),
            Fault::ReversesACall => {
                records.reverse();
                then(inner.append(records), |mut answers| {
                    answers.reverse();
                    answers
                })
            }
            Fault::ReversesTheAnswers => then(inner.append(records), |mut answers| {
                answers.reverse();
                answers
            }),
            Fault::StopsAtTheFirstBadRecord => {
                let mut answers: Vec<Answer> = Vec::new();
                for record in records {
                    let stopped = answers.iter().any(Result::is_err);
                    answers.push(match stopped {
                        true => Err(StoreError::new(StoreErrorKind::Other, "stopped").into()),
                        false => now(inner.append(vec![record])).remove(0),
                    });
                }
                Box::pin(async { answers })
            }
            Fault::NamesTheNewestBeforeTheCall => {
                let owners: Vec<_> = records
                    .iter()
                    .map(|record| self.newest(&record.content.namespace))
                    .collect();
                then(inner.append(records), |answers| {
                    let named = answers.into_iter().zip(owners);
                    named
                        .map(|(answer, before)| answer.map(|a| Appended::new(before, a.last)))
                        .collect()
                })
            }
            Fault::ChecksTheKeyBeforeItsTurn | Fault::ChecksTheReplyBeforeItsTurn => {
                self.append_after_a_look(records)
            }
            _ => self.append_spoilt(records),
        }
    }

    fn read(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Page, StoreError>> {
        if self.is(Fault::Gaps) {
            return Box::pin(std::future::ready(self.page(namespace, after, limit)));
        }
        let after = match self.fault {
            Fault::ReadsFromTheBorder => after.previous(),
            _ => after,
        };
        let page = now(self.inner.read(namespace, after, limit)).map(|mut page| {
            page.records = self.visible(namespace, page.records);
            page.more &= !self.is(Fault::NeverSaysMore);
            page
        });
        let page = match self.fault {
            Fault::SaysUnavailableWhenClosed => page.map_err(unavailable),
            _ => page,
        };
        Box::pin(async { page })
    }

    fn read_back(
        &self,
        namespace: &Namespace,
        before: Sequence,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        // All, because some may not be visible.
        let all = ReadLimit::records(usize::MAX);
        let all = now(self.inner.read_back(namespace, before, all));
        let records = all.map(|all| {
            let mut records = self.visible(namespace, all);
            if self.is(Fault::ReadsBackOnlyWhatEndsBelow) {
                records.retain(|record| record.last < before);
            }
            if self.is(Fault::ReadsBackTooManyBytes) {
                limit.bytes = usize::MAX;
            }
            let mut is_first = true;
            records
                .retain(|record| limit.takes(std::mem::take(&mut is_first), record.content.size()));
            if self.is(Fault::ShowsHalfARecord) {
                records = records.into_iter().map(|r| self.half(r)).collect();
            }
            records
        });
        Box::pin(async { records })
    }

    fn head(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Sequence, StoreError>> {
        let inner = self.inner.clone();
        match self.fault {
            Fault::Gaps => {
                let closed = now(inner.head(namespace));
                let newest = closed.map(|_| self.newest(namespace));
                Box::pin(async { newest })
            }
            Fault::ReadsWhenPolled => {
                let namespace = namespace.clone();
                Box::pin(async move { inner.head(&namespace).await })
            }
            Fault::HasOneHeadForAllNamespaces => {
                let listed = now(inner.namespaces()).unwrap_or_default();
                let heads = listed.iter().map(|info| self.newest(&info.name));
                let newest = heads.max().unwrap_or_default();
                Box::pin(async move { Ok(newest) })
            }
            Fault::ShowsHeldWrites => {
                let held = inner.held_writes() as i64;
                then(inner.head(namespace), move |head| {
                    head.map(|head| Sequence(head.0 + held))
                })
            }
            _ => inner.head(namespace),
        }
    }

    fn record(
        &self,
        namespace: &Namespace,
        part: Uuid,
    ) -> BoxFuture<'static, Result<Option<Arc<Record>>, StoreError>> {
        let found = now(self.inner.record(namespace, part)).map(|found| {
            let found = self.visible(namespace, found.into_iter().collect());
            let only_messages = self.is(Fault::FindsOnlyMessages);
            let mut found = found.into_iter();
            found.find(|record| !only_messages || record.content.id.0 == part)
        });
        Box::pin(async { found })
    }

    fn records_of_value(
        &self,
        namespace: &Namespace,
        id: DataId,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        let found = now(self.inner.records_of_value(namespace, id, before, limit));
        let found = found.map(|found| self.visible(namespace, found));
        Box::pin(async { found })
    }

    fn value(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        let found = now(self.inner.value(namespace, id));
        let found = found.map(|found| found.or_else(|| self.shown_wrongly(namespace, id)));
        let torn =
            self.is_after(Before::Crash, Fault::TearsARecordInACrash) && id.index() == Some(1);
        let lost = self.is(Fault::LosesLargeValues);
        let found = found
            .map(|found| found.filter(|data| !(torn || lost && data.value.get().len() > 50_000)));
        Box::pin(async { found })
    }
}

impl Wrong {
    /// What of these records is seen now.
    fn visible(&self, namespace: &Namespace, records: Vec<Arc<Record>>) -> Vec<Arc<Record>> {
        let newest = now(self.inner.head(namespace)).unwrap_or_default();
        let mut records = records;
        records.retain(|record| match self.fault {
            Fault::Gaps => !is_filler(record),
            // Until five later events are there.
            Fault::ShowsALaterRecordFirst => {
                record.last.0 % 10 != 0 || newest.0 - record.last.0 > 5
            }
            // At the third time of asking.
            Fault::ShowsWhatWasAnsweredLate => {
                let mut state = self.state();
                let times = state.shown.entry(record.content.id).or_default();
                *times += 1;
                *times > 2
            }
            Fault::LosesTheNewestInACrash if self.before == Before::Crash => {
                self.state().newest.get(namespace) != Some(&record.last)
            }
            Fault::LosesEveryTenthInACrash if self.before == Before::Crash => {
                record.last.0 % 10 != 0
            }
            _ => true,
        });
        if self.is(Fault::DropsTheTag) {
            records = records
                .iter()
                .map(|record| {
                    let mut content = record.content.clone();
                    content.edit(|parts| parts.tag.clear());
                    Arc::new(Record::new(record.last, content))
                })
                .collect();
        }
        records
    }

    /// The first time a record is shown, its last event is not there yet.
    fn half(&self, record: Arc<Record>) -> Arc<Record> {
        let times = {
            let mut state = self.state();
            let times = state.shown.entry(record.content.id).or_default();
            *times += 1;
            *times
        };
        if times > 1 || record.content.events_len() < 2 {
            return record;
        }
        let mut content = record.content.clone();
        content.edit(|parts| {
            parts.events.pop();
        });
        Arc::new(Record::new(record.last.previous(), content))
    }
}
