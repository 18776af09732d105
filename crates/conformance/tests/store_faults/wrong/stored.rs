//! How can stored data be wrong?

use photinus_contract::data::Hash;
use photinus_contract::store::{ReadLimit, StoreError, StoredData};
use photinus_contract::{BoxFuture, Data, DataId, Namespace};

use super::{Fault, Wrong, now, then};

impl StoredData for Wrong {
    fn put_data(&self, mut data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        if self.is(Fault::LosesDatatypes) {
            data.datatype = None;
        }
        if self.is(Fault::ReplacesData) {
            // What is not there is not removed.
            let _ = now(self.inner.delete_data(&data.namespace, data.id));
        }
        self.state().data.push(data.clone());
        self.inner.put_data(data)
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        let backwards = self.is(Fault::ListsDataFromTheOldest);
        then(
            self.inner.stored_data(namespace, before, limit),
            move |listed| {
                listed.map(|mut listed| {
                    if backwards {
                        listed.reverse();
                    }
                    listed
                })
            },
        )
    }

    fn data_of_blob(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        self.inner.data_of_blob(namespace, hash)
    }

    fn blob_paths(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<String>, StoreError>> {
        let after = after.filter(|_| !self.is(Fault::ListsPathsFromTheFirst));
        self.inner.blob_paths(namespace, prefix, after, limit)
    }

    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.delete_sharers(id);
        self.inner.delete_data(namespace, id)
    }
}

impl Wrong {
    /// Data that a store with one of these faults shows though it should not.
    pub(super) fn shown_wrongly(&self, namespace: &Namespace, id: DataId) -> Option<Data> {
        let state = self.state();
        let mut put = state.data.iter();
        let put = put.find(|data| data.id == id)?;
        let shows = match self.fault {
            Fault::ReadsDataOfOtherNamespaces => put.namespace != *namespace,
            Fault::OnlyHidesDeletedData => put.namespace == *namespace,
            _ => false,
        };
        shows.then(|| put.clone())
    }
}
