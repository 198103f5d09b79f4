//! The section `notify`, checked: whom to tell of alerts, and how patiently.

use super::check::Checker;
use super::checked::NotifyConfig;
use super::raw::{NotifyAlertmanagerSection, NotifySection, NotifyWebhookSection};
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_actuate::notify::alertmanager::AlertmanagerConfig;
use tidegauge_actuate::notify::groups::GroupConfig;
use tidegauge_actuate::webhook::WebhookConfig;
use tidegauge_policy::HumanDuration;

const DAY: Duration = Duration::from_hours(24);
const REPOST: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
const INTERVAL: RangeInclusive<Duration> = Duration::ZERO..=DAY;
const REPEAT: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);

impl Checker {
    pub(super) fn notify(&mut self, raw: &NotifySection, group: &str) -> NotifyConfig {
        NotifyConfig {
            group: raw.group.clone().unwrap_or_else(|| format!("{group}-notify")),
            listen: raw.listen,
            alertmanager: self.alertmanager(&raw.alertmanager),
            webhook: self.notify_webhook(&raw.webhook),
        }
    }

    fn alertmanager(&mut self, raw: &NotifyAlertmanagerSection) -> Option<AlertmanagerConfig> {
        let at = "notify.alertmanager";
        let NotifyAlertmanagerSection { urls, timeout, repost, resolve_after, retry_first, retry_most } = raw.clone();
        self.patience(at, timeout, retry_first, retry_most);
        self.lasts(&format!("{at}.repost"), &REPOST, repost);
        self.require((repost * 2..=DAY).contains(&resolve_after), &format!("{at}.resolve_after"), || {
            let [least, found] = [repost * 2, resolve_after].map(HumanDuration);
            format!("expected at least twice repost, {least} here, and at most 1d, found {found}")
        });
        for (index, url) in urls.iter().enumerate() {
            self.is_address(&format!("{at}.urls[{index}]"), url);
        }
        let config = AlertmanagerConfig { urls, timeout, repost, resolve_after, retry_first, retry_most };
        (!config.urls.is_empty()).then_some(config)
    }

    fn notify_webhook(&mut self, raw: &NotifyWebhookSection) -> Option<(WebhookConfig, GroupConfig)> {
        let at = "notify.webhook";
        let patience = (raw.timeout, raw.retry_first, raw.retry_most);
        let webhook = self.webhook(at, raw.url.as_deref(), raw.secret_file.as_deref(), patience);
        self.lasts(&format!("{at}.group_wait"), &WAIT, raw.group_wait);
        self.lasts(&format!("{at}.group_interval"), &INTERVAL, raw.group_interval);
        self.lasts(&format!("{at}.repeat_interval"), &REPEAT, raw.repeat_interval);
        let groups = GroupConfig {
            group_by: raw.group_by.clone(),
            group_wait: raw.group_wait,
            group_interval: raw.group_interval,
            repeat_interval: raw.repeat_interval,
        };
        Some((webhook?, groups))
    }
}
