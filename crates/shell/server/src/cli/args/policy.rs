//! Options of `policy`.

use crate::output::Form;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to do with files of policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run policies on telemetry that a file makes up, and compare what they decide
    Test(PolicyTestArgs),
    /// Warn of what is allowed and hardly meant
    Lint(PolicyLintArgs),
    /// Make a policy of a HorizontalPodAutoscaler or a KEDA ScaledObject
    Import(PolicyImportArgs),
    /// Print the JSON Schema of policies, or of the other documents, for completion in editors
    Schema(PolicySchemaArgs),
}

/// Options of `policy schema`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge policy schema > policy.schema.json
  tidegauge policy schema alerts > alerts.schema.json")]
pub struct PolicySchemaArgs {
    /// Which documents
    #[arg(value_name = "KIND", default_value = "policy")]
    pub kind: SchemaKind,
}

/// Documents that have a JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Policies.
    Policy,
    /// Alert rules, silences and inhibition rules.
    Alerts,
    /// Signals of SQL.
    Signal,
    /// Quotas of workspaces.
    Quota,
}

/// Options of `policy test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge policy test examples/policies/tests
  tidegauge policy test mine.test.yaml --trace          # and what was decided, line by line
  tidegauge policy test policies/tests --format junit > junit.xml
docs/howto-policy-tests.md says what such a file holds.
Exits with 1 if an expectation did not hold, with 78 if a file says something that cannot be.")]
pub struct PolicyTestArgs {
    /// Files of tests, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show every decision that is published, and every transition of an alert
    #[arg(long)]
    pub trace: bool,
    /// How to show what became of them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TestFormat,
}

/// How results of tests are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people.
    Text,
    /// One JSON object a file.
    Json,
    /// XML that CI systems read.
    Junit,
}

/// Options of `policy lint`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge policy lint policies/
  tidegauge policy lint --deny policies/mine.yaml   # exit 1 if there is a warning
  tidegauge explain PL05                            # what a code means
Exits with 1 if there is a warning and --deny was said, with 78 if a file does not read.")]
pub struct PolicyLintArgs {
    /// Files of policies and alert rules, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Fail if there is a warning
    #[arg(long)]
    pub deny: bool,
    /// How to show warnings
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// Options of `policy import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kubectl get hpa web -o yaml | tidegauge policy import - > policies/web.yaml
  tidegauge policy import scaledobject.yaml > policies/worker.yaml
The policy goes to standard output, and what has no equivalent to standard error and into comments of the policy.")]
pub struct PolicyImportArgs {
    /// A manifest; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
