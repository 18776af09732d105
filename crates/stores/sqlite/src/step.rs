//! What does a write see of the transaction that it is part of?

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use photinus_contract::Namespace;
use photinus_contract::store::StoreError;
use rusqlite::Connection;

use crate::error::Error;
use crate::schema::Place;

/// The numbers of the namespaces that are committed, shared with the readers.
pub(crate) type Names = Arc<RwLock<BTreeMap<Namespace, i64>>>;

/// The transaction in which a write is applied.
pub(crate) struct Step<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) place: &'a Place,
    pub(crate) known: &'a mut Known,
}

/// What the writer knows of the database without asking it.
#[derive(Default)]
pub(crate) struct Known {
    namespaces: BTreeMap<Namespace, i64>,
    /// Whether a namespace is there that the readers have not been told of.
    created: bool,
    /// The newest sequence of each namespace that was asked for.
    heads: BTreeMap<i64, i64>,
}

impl Known {
    /// What is known at the start, and after a transaction was undone: what is committed.
    pub(crate) fn committed(names: &Names) -> Self {
        Self {
            namespaces: names.read().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Self::default()
        }
    }

    /// The transaction is committed: tells the readers.
    pub(crate) fn publish(&mut self, names: &Names) {
        if std::mem::take(&mut self.created) {
            names
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&self.namespaces);
        }
    }
}

impl Step<'_> {
    /// The number of a namespace.
    pub(crate) fn namespace(&self, name: &Namespace) -> Option<i64> {
        self.known.namespaces.get(name).copied()
    }

    /// A namespace was inserted.
    pub(crate) fn namespace_created(&mut self, name: Namespace, number: i64) {
        self.known.namespaces.insert(name, number);
        self.known.created = true;
    }

    /// The newest sequence of a namespace; 0 if there is none.
    pub(crate) fn head(&mut self, namespace: i64) -> Result<i64, Error> {
        if let Some(head) = self.known.heads.get(&namespace) {
            return Ok(*head);
        }
        let head = crate::log::head(self.connection, namespace)?;
        self.known.heads.insert(namespace, head);
        Ok(head)
    }

    /// Records were inserted up to here.
    pub(crate) fn advance(&mut self, namespace: i64, head: i64) {
        self.known.heads.insert(namespace, head);
    }

    /// Does all of it or, if it fails, nothing of it.
    pub(crate) fn whole<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = self.connection;
        run(connection, "SAVEPOINT part")?;
        let result = write(self);
        // SQLite may have undone the whole transaction by itself; then the group fails anyway.
        if !connection.is_autocommit() {
            if result.is_err() {
                run(connection, "ROLLBACK TO part")?;
            }
            run(connection, "RELEASE part")?;
        }
        result
    }

    /// Turns an error of one part into its answer, unless the group as a whole has failed.
    pub(crate) fn apart<T, E: From<StoreError>>(
        &self,
        result: Result<Result<T, E>, Error>,
    ) -> Result<Result<T, E>, Error> {
        match result {
            Err(error) if !error.fails_the_group() && !self.connection.is_autocommit() => {
                Ok(Err(error.at(&self.place.directory).into()))
            }
            other => other,
        }
    }
}

/// Runs a statement that says nothing.
pub(crate) fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
