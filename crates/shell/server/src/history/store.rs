//! A folder or a bucket, one call at a time: what the history needs of `object_store`, without its futures.
//!
//! - **T1** An object is created whole or not at all, and never replaced; of two that create the same, one is told.
//! - **T2** What was created in a folder survives a loss of power: file and folders are synced. (`object_store` leaves
//!   that to the kernel.)

use super::HistoryError;
use crate::config::HistoryPlace;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Requests that are under way at a time.
const AT_A_TIME: usize = 16;

/// Where a history is.
#[derive(Debug)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    /// Before every path.
    prefix: Path,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
    name: String,
    runtime: Runtime,
}

/// Something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) modified_ms: i64,
}

impl Store {
    /// The store at a place. A folder is made if `is_written`; nothing else is asked of it yet.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]: it is not there, or cannot be.
    pub fn open(place: &HistoryPlace, is_written: bool) -> Result<Self, HistoryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| HistoryError::damaged("a runtime", &error))?;
        match place {
            HistoryPlace::Folder(folder) => {
                let name = folder.display().to_string();
                if is_written {
                    std::fs::create_dir_all(folder).map_err(|error| opening(&name, error))?;
                } else if !folder.is_dir() {
                    return Err(HistoryError::Nothing { place: name });
                }
                let inner = LocalFileSystem::new_with_prefix(folder);
                let inner =
                    inner.map_err(|source| HistoryError::Store { doing: "opening", path: name.clone(), source })?;
                let inner = Arc::new(inner.with_automatic_cleanup(true));
                Ok(Self { inner, prefix: Path::default(), folder: Some(folder.clone()), name, runtime })
            }
            HistoryPlace::S3 { bucket, prefix, endpoint, region, key } => {
                let name = format!("s3://{bucket}/{prefix}");
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                let address = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
                builder = builder.with_allow_http(address.starts_with("http://"));
                if let Some(region) = region {
                    builder = builder.with_region(region);
                }
                if let Some((id, secret)) = key {
                    builder = builder.with_access_key_id(id).with_secret_access_key(secret.reveal());
                }
                let refused = |source| HistoryError::Store { doing: "opening", path: name.clone(), source };
                let inner = Arc::new(builder.build().map_err(refused)?);
                let prefix = Path::parse(prefix).map_err(|error| refused(error.into()))?;
                Ok(Self { inner, prefix, folder: None, name, runtime })
            }
        }
    }

    /// Its address, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates an object; false if there is one of that name.
    pub(super) fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, HistoryError> {
        let created = self.runtime.block_on(self.put(path, bytes))?;
        if created {
            self.sync(&[path.to_owned()])?;
        }
        Ok(created)
    }

    /// Creates objects whose names nobody else takes.
    pub(super) fn create_all(&self, objects: Vec<(String, Vec<u8>)>) -> Result<(), HistoryError> {
        let paths: Vec<String> = objects.iter().map(|(path, _)| path.clone()).collect();
        let puts = objects.into_iter().map(|(path, bytes)| async move { self.put(&path, bytes).await.map(drop) });
        let puts = futures::stream::iter(puts).buffer_unordered(AT_A_TIME).try_collect::<()>();
        self.runtime.block_on(puts)?;
        self.sync(&paths)
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<bool, HistoryError> {
        let at = self.at(path)?;
        match self.inner.put_opts(&at, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(HistoryError::Store { doing: "creating", path: path.to_owned(), source }),
        }
    }

    /// T2: the files, and every folder that leads to them.
    fn sync(&self, paths: &[String]) -> Result<(), HistoryError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut folders = BTreeSet::from([folder.clone()]);
        for path in paths {
            // Segments are encoded once more than they are shown: the file has the name as it stands here.
            let file = folder.join(path);
            synced(&file)?;
            folders.extend(file.ancestors().skip(1).take_while(|above| *above != folder).map(PathBuf::from));
        }
        folders.iter().try_for_each(|folder| synced(folder))
    }

    /// What an object holds; `None` if there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        self.runtime.block_on(self.get(path))
    }

    /// What each of those objects holds, in their order.
    pub(super) fn read_all(&self, paths: &[String]) -> Result<Vec<Option<Vec<u8>>>, HistoryError> {
        let gets = paths.iter().map(|path| self.get(path));
        self.runtime.block_on(futures::stream::iter(gets).buffered(AT_A_TIME).try_collect())
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        let bytes = match self.inner.get(&self.at(path)?).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(HistoryError::Store { doing: "reading", path: path.to_owned(), source }),
        }
    }

    /// All objects in a folder, at any depth, ordered by path.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Object>, HistoryError> {
        let failed = |source| HistoryError::Store { doing: "listing", path: folder.to_owned(), source };
        let at = self.at(folder)?;
        let metas: Vec<_> = self.runtime.block_on(self.inner.list(Some(&at)).try_collect()).map_err(failed)?;
        let mut objects: Vec<Object> = metas
            .into_iter()
            .filter_map(|meta| {
                let parts: Vec<_> = meta.location.prefix_match(&self.prefix)?.collect();
                let path = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                Some(Object { path, bytes: meta.size, modified_ms: meta.last_modified.timestamp_millis() })
            })
            .collect();
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// Deletes an object, if it is there.
    pub(super) fn delete(&self, path: &str) -> Result<(), HistoryError> {
        match self.runtime.block_on(self.inner.delete(&self.at(path)?)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(HistoryError::Store { doing: "deleting", path: path.to_owned(), source }),
        }
    }

    fn at(&self, path: &str) -> Result<Path, HistoryError> {
        let prefix = self.prefix.as_ref();
        let whole = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
        Path::parse(whole).map_err(|error| HistoryError::damaged(path, &error))
    }
}

fn synced(path: &std::path::Path) -> Result<(), HistoryError> {
    let name = || path.display().to_string();
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| HistoryError::Store {
        doing: "syncing",
        path: name(),
        source: object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) },
    })
}

fn opening(name: &str, error: std::io::Error) -> HistoryError {
    let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
    HistoryError::Store { doing: "opening", path: name.to_owned(), source }
}
