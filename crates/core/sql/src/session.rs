//! The session that texts are planned in: our tables and functions, and no way out of it.

use crate::columns::Table;
use crate::feed::Feed;
use crate::limits::Limits;
use crate::prepared::Mode;
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::memory::{MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider};
use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, SessionStateDefaults};
use datafusion::prelude::SessionConfig;
use std::sync::Arc;

const CATALOG: &str = "tidegauge";
const SCHEMA: &str = "public";
/// Rows that an operator works on at a time.
const BATCH: usize = 8_192;

/// A session with our tables, empty; with DataFusion's functions and ours; one partition; memory limited, nothing
/// spilled; no file format, no object store, no table function, no information schema (Q1).
pub(crate) fn state(limits: &Limits, mode: Mode) -> Result<SessionState> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()?;
    runtime.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    let mut state = SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(runtime)
        .with_catalog_list(catalogs(mode)?)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build();
    // What they tell has no meaning where there are no files.
    for name in ["input_file_name", "file_row_index"] {
        state.deregister_udf(name)?;
    }
    tidegauge_window::functions::register(&mut state)?;
    Ok(state)
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let optimizer = &mut config.options_mut().optimizer;
    // Filters that grow while a plan runs would outlive an evaluation.
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    config
}

fn catalogs(mode: Mode) -> Result<Arc<dyn CatalogProviderList>> {
    let tables = MemorySchemaProvider::new();
    for table in Table::ALL {
        tables.register_table(table.name().to_owned(), Arc::new(Feed::new(table, mode)))?;
    }
    let (catalog, catalogs) = (MemoryCatalogProvider::new(), MemoryCatalogProviderList::new());
    catalog.register_schema(SCHEMA, Arc::new(tables))?;
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(catalogs))
}
