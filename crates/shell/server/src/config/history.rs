//! The section `history`, checked: where closed windows are kept, and for how long.

use super::check::Checker;
use super::checked::{HistoryConfig, HistoryPlace};
use super::raw::{HistoryS3Section, HistorySection};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_policy::HumanDuration;

const FLUSH_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const FLUSH_WINDOWS: RangeInclusive<u32> = 100..=1_000_000;
const COMPACT_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
const COMPACT_ROWS: RangeInclusive<u32> = 100..=1_000_000;
const COMPACT_FILES: RangeInclusive<u32> = 2..=1_000;
const SHORTEST_RETENTION: Duration = Duration::from_secs(86_400);
const GRACE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);

impl Checker {
    /// The history, where there is to be one.
    pub(super) fn history(&mut self, raw: &HistorySection) -> Option<HistoryConfig> {
        for (key, range, value) in [
            ("history.flush_interval", FLUSH_INTERVAL, raw.flush_interval),
            ("history.compact_interval", COMPACT_INTERVAL, raw.compact_interval),
            ("history.grace", GRACE, raw.grace),
        ] {
            self.require(range.contains(&value), key, || {
                let [least, most, found] = [*range.start(), *range.end(), value].map(HumanDuration);
                format!("expected {least} to {most}, found {found}")
            });
        }
        for (key, range, value) in [
            ("history.flush_windows", FLUSH_WINDOWS, raw.flush_windows),
            ("history.compact_rows", COMPACT_ROWS, raw.compact_rows),
            ("history.compact_files", COMPACT_FILES, raw.compact_files),
        ] {
            self.require(range.contains(&value), key, || {
                format!("expected {} to {}, found {value}", range.start(), range.end())
            });
        }
        if let Some(retention) = raw.retention {
            self.require(retention >= SHORTEST_RETENTION, "history.retention", || {
                format!("expected {} or more, found {}", HumanDuration(SHORTEST_RETENTION), HumanDuration(retention))
            });
        }
        let place = self.place(raw)?;
        Some(HistoryConfig {
            place,
            flush_interval: raw.flush_interval,
            flush_windows: raw.flush_windows as usize,
            retention: raw.retention,
            compact_interval: raw.compact_interval,
            compact_rows: u64::from(raw.compact_rows),
            compact_files: raw.compact_files as usize,
            grace: raw.grace,
        })
    }

    fn place(&mut self, raw: &HistorySection) -> Option<HistoryPlace> {
        let Some(url) = &raw.url else {
            self.only_with_s3(&raw.s3, "none is set");
            return None;
        };
        if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            self.require(!bucket.is_empty(), "history.url", || format!("expected s3://bucket/prefix, found `{url}`"));
            return self.s3(&raw.s3, bucket, prefix.trim_end_matches('/'));
        }
        self.only_with_s3(&raw.s3, &format!("it is `{url}`"));
        let path = match url.split_once("://") {
            None => self.resolve("history.url", &PathBuf::from(url)),
            Some(("file", path)) if path.starts_with('/') => PathBuf::from(path),
            Some(_) => {
                self.note(
                    "history.url",
                    format!("expected a folder, file:///folder or s3://bucket/prefix, found `{url}`"),
                );
                return None;
            }
        };
        Some(HistoryPlace::Folder(path))
    }

    fn only_with_s3(&mut self, s3: &HistoryS3Section, instead: &str) {
        let given = [
            ("history.s3.endpoint", s3.endpoint.is_some()),
            ("history.s3.region", s3.region.is_some()),
            ("history.s3.access_key_id", s3.access_key_id.is_some()),
            ("history.s3.secret_access_key_file", s3.secret_access_key_file.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            self.note(key, format!("expected with a history.url that begins with s3:// only, but {instead}"));
        }
    }

    fn s3(&mut self, raw: &HistoryS3Section, bucket: &str, prefix: &str) -> Option<HistoryPlace> {
        if raw.access_key_id.is_some() != raw.secret_access_key_file.is_some() {
            let keys = ["history.s3.access_key_id", "history.s3.secret_access_key_file"];
            self.note_between(&keys, "expected access_key_id and secret_access_key_file together");
        }
        if let Some(endpoint) = &raw.endpoint {
            let has_scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
            self.require(has_scheme, "history.s3.endpoint", || {
                format!("expected http://… or https://…, found `{endpoint}`")
            });
        }
        let path = raw.secret_access_key_file.as_deref();
        let secret = path.and_then(|path| self.secret("history.s3.secret_access_key_file", path));
        Some(HistoryPlace::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: raw.endpoint.clone(),
            region: raw.region.clone(),
            key: raw.access_key_id.clone().zip(secret),
        })
    }
}
