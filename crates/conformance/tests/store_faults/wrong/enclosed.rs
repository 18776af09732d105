//! How can what is enclosed in records be wrong?

use std::sync::Arc;

use photinus_conformance::store::make::ALL;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{Datatypes, ReadLimit, StoreError, StoredData};
use photinus_contract::{BoxFuture, Datatype, MessageId, Namespace};

use super::{Before, Fault, Wrong, now, then};

impl Datatypes for Wrong {
    fn datatype(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> BoxFuture<'static, Result<Option<Datatype>, StoreError>> {
        let lost = self.is_after(Before::Crash, Fault::LosesDatatypesInACrash);
        let any_version = self.is(Fault::FindsDatatypesOfAnyVersion);
        let found = now(self.inner.datatype(namespace, name, version));
        let others = now(self.inner.datatypes(namespace, None, ALL)).unwrap_or_default();
        let other = others
            .into_iter()
            .find(|other| any_version && other.name == name);
        let found = found.map(|found| found.or(other).filter(|_| !lost));
        Box::pin(async { found })
    }

    fn datatypes(
        &self,
        namespace: &Namespace,
        before: Option<MessageId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Datatype>, StoreError>> {
        let backwards = self.is(Fault::ListsDatatypesFromTheOldest);
        let listed = self.inner.datatypes(namespace, before, limit);
        then(listed, move |listed| {
            listed.map(|mut listed| {
                if backwards {
                    listed.reverse();
                }
                listed
            })
        })
    }
}

impl Wrong {
    /// Does with a record's enclosure what a store with one of these faults does.
    pub(super) fn spoil_enclosed(&self, record: &mut NewRecord) {
        let Some(enclosed) = &mut record.enclosed else {
            return;
        };
        let enclosed = Arc::make_mut(enclosed);
        match self.fault {
            Fault::DefinesTwice => {
                let is_there = |datatype: &Datatype| {
                    let Datatype {
                        namespace,
                        name,
                        version,
                        ..
                    } = datatype;
                    now(self.inner.datatype(namespace, name, version)).is_ok_and(|d| d.is_some())
                };
                enclosed.datatype.take_if(|datatype| is_there(datatype));
            }
            Fault::StoresTheDataOfARefusedRecord => {
                for data in enclosed.data.drain(..) {
                    let _ = now(self.inner.put_data(data));
                }
            }
            Fault::ForgetsWhatMessagesReferTo => enclosed.references.clear(),
            _ => {}
        }
    }
}
