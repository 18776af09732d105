//! How does a store leave gaps and keep every promise?
//!
//! Before each record it appends one that it never shows.

use photinus_conformance::store::make::{ALL, record};
use photinus_contract::record::NewRecord;
use photinus_contract::store::{Appended, Log, Page, ReadLimit, StoreError};
use photinus_contract::{BoxFuture, Namespace, Record, Sequence};

use super::{Answer, Wrong, now};

const FILLER: &str = "between two records";

pub(super) fn is_filler(record: &Record) -> bool {
    record.content.tag() == FILLER
}

impl Wrong {
    /// The newest sequence that is seen.
    pub(super) fn newest(&self, namespace: &Namespace) -> Sequence {
        let all =
            now(self
                .inner
                .read_back(namespace, Sequence::MAX, ReadLimit::records(usize::MAX)));
        let all = all.unwrap_or_default();
        let newest = all.iter().find(|record| !is_filler(record));
        newest.map_or(Sequence(0), |record| record.last)
    }

    /// Before each record one that is not shown.
    pub(super) fn append_with_gaps(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Answer>> {
        let mut both = Vec::new();
        let owners: Vec<_> = records
            .iter()
            .map(|record| {
                (
                    record.content.namespace.clone(),
                    record.content.events_len(),
                )
            })
            .collect();
        for wanted in records {
            let mut kept = self.kept();
            kept.fillers += 1;
            let number = 1 << 40 | kept.fillers;
            let mut filler = record(&wanted.content.namespace, number, &["filler"], &[]);
            filler.content.edit(|parts| parts.tag = FILLER.to_owned());
            both.extend([filler, wanted]);
        }
        let (inner, wait) = (self.inner.clone(), self.inner.append(both));
        Box::pin(async move {
            let answers = wait.await.into_iter().skip(1).step_by(2);
            let named = answers.zip(owners).map(|(answer, (namespace, events))| {
                let last = answer?.last;
                let first = Sequence(last.0 + 1 - events as i64);
                let below = now(inner.read_back(&namespace, first, ReadLimit::records(usize::MAX)))
                    .unwrap_or_default();
                let previous = below.iter().find(|record| !is_filler(record));
                Ok(Appended::new(
                    previous.map_or(Sequence(0), |record| record.last),
                    last,
                ))
            });
            named.collect()
        })
    }

    /// A page without what is not shown.
    pub(super) fn page(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        let mut all = now(self.inner.read(namespace, after, ALL))?;
        all.records.retain(|record| !is_filler(record));
        let mut bytes = 0;
        let mut count = 0;
        for record in &all.records {
            bytes += record.content.size();
            if count > 0 && (count >= limit.records || bytes > limit.bytes) {
                break;
            }
            count += 1;
        }
        let more = count < all.records.len();
        all.records.truncate(count);
        Ok(Page::new(all.records, more))
    }
}
