//! The store: each call is one piece of work on the database of its tenant.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::error::OpenError;
use super::handles::{Absent, Handles, Readers, blocking};
use super::jobs::Undone;
use super::root::Root;
use super::scope::{self, Place};
use super::settings::Settings;
use super::work::{NotWritten, Works};
use super::{backup, descriptors, letting_go, reading, searching, writing};
use crate::clock::Timestamp;
use crate::memory::{
    Address, Area, Change, Embedding, Entry, EntryId, Erased, Filter, MemoryStore, NamespaceUse,
    Outcome, Oversight, Owner, Page, Partition, PathFilter, PruneRule, Quotas, Reach, Scored,
    StoreError, TenantErasure, TenantScope, UserErasure, Version, Writable, WriteError,
    WriteErrorKind,
};
use crate::tenant::TenantId;

/// How long a caller waits for what goes through all of a namespace.
const LONG: Duration = Duration::from_secs(120);

/// A folder with a database for each tenant.
pub struct SqliteStore {
    pub(super) works: Arc<Works>,
}

impl SqliteStore {
    /// Opens the folder, and makes it where there is none. Databases are opened when they are used.
    ///
    /// # Errors
    /// The folder can't be used, or another process serves it.
    ///
    /// # Panics
    /// Outside of a tokio runtime, which closes what is not used.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let root = Root::open(&settings.root)?;
        let descriptors = descriptors::raise();
        let most = descriptors::tenants(descriptors);
        let open_tenants = settings.open_tenants.map_or(most, |said| {
            if said > most {
                tracing::warn!(
                    said,
                    most,
                    descriptors,
                    "fewer tenants are held open than configured: raise the limit of open files"
                );
            }
            said.clamp(1, most)
        });
        tracing::info!(root = %root.path().display(), descriptors, open_tenants, "memories are kept in SQLite");
        let handles = Handles::new(root, open_tenants, settings.file_bytes);
        let works = Arc::new(Works::new(handles, settings.deadline));
        let (idle, weak) = (settings.idle, Arc::downgrade(&works));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle / 2).await;
                let Some(works) = weak.upgrade() else {
                    return;
                };
                works.handles.close_idle(idle).await;
            }
        });
        Ok(Self { works })
    }

    /// Puts a copy in the place of a tenant's database, which may be damaged or not there. The copy
    /// itself stays as it is.
    ///
    /// # Errors
    /// The copy is damaged, another tenant's, or of a later version; then nothing has changed.
    pub async fn restore(&self, tenant: &TenantId, source: &Path) -> Result<(), StoreError> {
        let handles = &self.works.handles;
        let alone = handles.alone(tenant, Readers::End).await;
        let root = Arc::clone(&handles.root);
        let (tenant, source) = (tenant.clone(), source.to_owned());
        let restored = blocking(move || -> Result<(), OpenError> {
            let _until_done = alone;
            let making = root.making(&tenant)?;
            backup::copy_checked(&tenant, &source, &making)?;
            root.replace(&tenant, &making)
        });
        Ok(restored.await??)
    }

    /// Leaves what was deleted behind, log and all.
    async fn rewrite(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let handles = &self.works.handles;
        let alone = handles.alone(tenant, Readers::Finish).await;
        let (root, tenant) = (Arc::clone(&handles.root), tenant.clone());
        let rewritten = blocking(move || -> Result<(), OpenError> {
            let _until_done = alone;
            let Some(path) = root.find(&tenant)? else {
                return Ok(());
            };
            let making = root.making(&tenant)?;
            backup::rewrite(&path, &making)?;
            root.replace(&tenant, &making)
        });
        Ok(rewritten.await??)
    }

    async fn read<T: Default + Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.works.read(tenant, work).await?.unwrap_or_default())
    }

    /// Writes to what is there; where a tenant has nothing, nothing is done.
    pub(super) async fn change<T: Default + Send + 'static>(
        &self,
        tenant: &TenantId,
        deadline: Option<Duration>,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = move |connection: &Connection| work(connection).map_err(Undone::from);
        let written = self
            .works
            .write::<T, Infallible>(tenant, Absent::Leave, deadline, work);
        match written.await {
            Ok(done) => Ok(done),
            Err(NotWritten::Absent) => Ok(T::default()),
            Err(NotWritten::Refused(never)) => match never {},
            Err(NotWritten::Failed(error)) => Err(error),
        }
    }
}

#[async_trait]
impl MemoryStore for SqliteStore {
    async fn write(
        &self,
        to: &Writable,
        changes: Vec<Change>,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Vec<Outcome>, WriteError> {
        // What can only fail makes no database.
        let makes = changes
            .iter()
            .any(|change| matches!(change, Change::Create { .. } | Change::Put { .. }));
        let absent = if makes { Absent::Make } else { Absent::Leave };
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let (owned, quotas) = (to.clone(), quotas.clone());
        let work = move |connection: &Connection| {
            writing::write(connection, &owned, &changes, &quotas, at)
        };
        let tenant = to.namespace().tenant();
        let failed = |kind| WriteError { index: 0, kind };
        match self.works.write(tenant, absent, None, work).await {
            Ok(outcomes) => Ok(outcomes),
            Err(NotWritten::Refused(why)) => Err(why),
            Err(NotWritten::Absent) => Err(failed(WriteErrorKind::Missing)),
            Err(NotWritten::Failed(error)) => Err(failed(error.into())),
        }
    }

    async fn get(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let reach = of.clone();
        let work = move |connection: &Connection| {
            let kept = reading::get(connection, &reach, id, at)?;
            Ok(kept.map(|kept| kept.entry))
        };
        self.read(of.tenant(), work).await
    }

    async fn find(
        &self,
        of: &Reach,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        let (reach, address) = (of.clone(), address.clone());
        let work = move |connection: &Connection| reading::find(connection, &reach, &address, at);
        self.read(of.tenant(), work).await
    }

    async fn list(
        &self,
        of: &Reach,
        filter: &Filter,
        page: &Page,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        let (reach, filter, page) = (of.clone(), filter.clone(), *page);
        let work =
            move |connection: &Connection| reading::list(connection, &reach, &filter, &page, at);
        self.read(of.tenant(), work).await
    }

    async fn history(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Vec<Version>>, StoreError> {
        let reach = of.clone();
        let work = move |connection: &Connection| reading::history(connection, &reach, id, at);
        self.read(of.tenant(), work).await
    }

    async fn by_text(
        &self,
        of: &Reach,
        filter: &Filter,
        terms: &[String],
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        let (reach, filter, terms) = (of.clone(), filter.clone(), terms.to_vec());
        let work = move |connection: &Connection| {
            searching::by_text(connection, &reach, &filter, &terms, limit, at)
        };
        self.read(of.tenant(), work).await
    }

    async fn by_vector(
        &self,
        of: &Reach,
        filter: &Filter,
        embedding: &Embedding,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        let (reach, filter, embedding) = (of.clone(), filter.clone(), embedding.clone());
        let work = move |connection: &Connection| {
            searching::by_vector(connection, &reach, &filter, &embedding, limit, at)
        };
        self.read(of.tenant(), work).await
    }

    async fn dimensions(&self, of: &Reach) -> Result<Vec<(Owner, usize)>, StoreError> {
        let reach = of.clone();
        let work = move |connection: &Connection| reading::dimensions(connection, &reach);
        self.read(of.tenant(), work).await
    }

    async fn paths(
        &self,
        of: &Reach,
        area: Area,
        paths: &PathFilter,
        at: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let (reach, paths) = (of.clone(), paths.clone());
        let work =
            move |connection: &Connection| reading::paths(connection, &reach, area, &paths, at);
        self.read(of.tenant(), work).await
    }

    async fn partitions(&self, of: &Reach, at: Timestamp) -> Result<Vec<Partition>, StoreError> {
        let reach = of.clone();
        let work = move |connection: &Connection| reading::partitions(connection, &reach, at);
        self.read(of.tenant(), work).await
    }

    async fn usage(&self, of: &Reach) -> Result<Vec<NamespaceUse>, StoreError> {
        let reach = of.clone();
        let work = move |connection: &Connection| reading::usage(connection, &reach);
        let used = self.works.read(of.tenant(), work).await?;
        Ok(used.unwrap_or_else(|| reading::nothing_used(of)))
    }

    async fn owners(&self, over: &Oversight) -> Result<Vec<Owner>, StoreError> {
        self.read(over.tenant(), reading::owners).await
    }

    async fn touch(
        &self,
        tenant: &TenantScope,
        recalled: &[(EntryId, Timestamp)],
    ) -> Result<(), StoreError> {
        let recalled = recalled.to_vec();
        let work = move |connection: &Connection| {
            let mut touch = connection.prepare_cached(
                "UPDATE entries SET access_count = access_count + 1, \
                 last_accessed = max(last_accessed, ?2) WHERE id = ?1",
            )?;
            for (id, at) in &recalled {
                touch.execute(params![id.as_bytes(), at.as_micros()])?;
            }
            Ok(())
        };
        self.change(tenant.tenant(), None, work).await
    }

    async fn refresh(
        &self,
        of: &Writable,
        ids: &[EntryId],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (writable, ids) = (of.clone(), ids.to_vec());
        let work = move |connection: &Connection| {
            let Some(number) = scope::number(connection, writable.namespace().owner())? else {
                return Ok(());
            };
            let mut refresh = connection.prepare_cached(
                "UPDATE entries SET expires_at = ?3 + ttl_seconds * 1000000 WHERE id = ?1 \
                 AND owner = ?2 AND expires_at > ?3 AND confidentiality <= ?4",
            )?;
            let clearance = writable.clearance().rank();
            for id in &ids {
                refresh.execute(params![id.as_bytes(), number, at.as_micros(), clearance])?;
            }
            Ok(())
        };
        self.change(of.namespace().tenant(), None, work).await
    }

    async fn prune(
        &self,
        of: &Writable,
        rule: &PruneRule,
        at: Timestamp,
    ) -> Result<(u64, Vec<EntryId>), StoreError> {
        let (writable, rule) = (of.clone(), rule.clone());
        let work = move |connection: &Connection| {
            let owner = writable.namespace().owner().clone();
            let Some(number) = scope::number(connection, &owner)? else {
                return Ok((0, Vec::new()));
            };
            let place = Place { number, owner };
            letting_go::prune(connection, &place, writable.clearance(), &rule, at)
        };
        self.change(of.namespace().tenant(), Some(LONG), work).await
    }

    async fn sweep(
        &self,
        tenant: &TenantScope,
        limit: u32,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let work = move |connection: &Connection| letting_go::sweep(connection, limit, at);
        self.change(tenant.tenant(), None, work).await
    }

    async fn erase_tenant(&self, right: &TenantErasure) -> Result<Erased, StoreError> {
        let tenant = right.tenant();
        let held = |connection: &Connection| {
            connection.query_row("SELECT entries, bytes FROM tenant", [], |row| {
                Ok(Erased {
                    entries: row.get::<_, i64>(0)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(1)?.cast_unsigned(),
                    anonymised: 0,
                })
            })
        };
        // What can't be read can be removed.
        let erased = self.read(tenant, held).await.unwrap_or_default();
        let alone = self.works.handles.alone(tenant, Readers::End).await;
        let root = Arc::clone(&self.works.handles.root);
        let gone = tenant.clone();
        let removed = blocking(move || {
            let _until_done = alone;
            root.erase(&gone)
        });
        removed.await??;
        Ok(erased)
    }

    async fn erase_user(&self, right: &UserErasure) -> Result<Erased, StoreError> {
        let owner = right.namespace().owner().clone();
        let work = move |connection: &Connection| letting_go::erase_user(connection, &owner);
        let erased = self.change(right.tenant(), Some(LONG), work).await?;
        if let Err(error) = self.rewrite(right.tenant()).await {
            tracing::error!(tenant = %right.tenant(), %error, "a user was erased, and bytes of what was erased may be left in the file until another erasure");
        }
        Ok(erased)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let root = Arc::clone(&self.works.handles.root);
        Ok(blocking(move || root.probe()).await??)
    }

    fn in_use(&self) -> Vec<(&'static str, u64)> {
        vec![("open_tenants", self.works.handles.open_count() as u64)]
    }

    async fn close(&self) {
        self.works.handles.close().await;
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SqliteStore")
    }
}
