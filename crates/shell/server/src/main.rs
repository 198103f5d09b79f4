//! The `tidegauge` command.

use clap::Parser;
use std::process::ExitCode;
use tidegauge::cli::{Cli, Command};
use tidegauge::config::Config;
use tidegauge::{commands, demo, exit, live, query, telemetry};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return exit::usage(&usage),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    if let Command::Demo(args) = &cli.command {
        return demo::run(args, cli.global.log_level.as_deref()); // brings its own
    }
    if let Command::QueryWorker = &cli.command {
        return query::worker::run(); // is told all it needs
    }
    let layers = cli.layers();
    // These need neither a checked configuration nor a broker.
    match &cli.command {
        Command::Generate(what) => return commands::generate::run(what),
        Command::Config(command) => return commands::config::run(&layers, command),
        Command::Policy(command) => return commands::policy::run(command),
        Command::Explain(args) if !args.is_about_a_decision() => return commands::explain::run(args),
        Command::Analyze(args) => return commands::analyze::run(&layers, args),
        Command::Elasticity(args) => return commands::elasticity::run(args),
        Command::Loadtest(command) => return commands::loadtest::run(&layers, command),
        Command::Capacity(args) => return commands::capacity::run(args),
        Command::Strategy(args) => return commands::strategy::run(args),
        Command::Completions(args) => return commands::install::completions(args),
        Command::Man(args) => return commands::install::man(args),
        _ => {}
    }
    let config = Config::load(&layers)?;
    telemetry::init(config.log, cli.quietest_level(config.log.level))?;
    match cli.command {
        Command::Run(args) => live::run(config, args.into(), &|| Ok(Config::load(&layers)?)),
        Command::Validate(args) => commands::validate::run(&config, &args),
        Command::Status(args) => commands::status::run(&config, &args),
        Command::State(args) => commands::state::run(&config, &args),
        Command::Topics(args) => commands::topics::run(&config, &args),
        Command::Produce(args) => commands::produce::run(&config, &args),
        Command::Tail(args) => commands::tail::run(&config, &args),
        Command::Explain(args) => commands::explain::decision(&config, &args),
        Command::Plan(args) => commands::plan::run(&config, &args),
        Command::Query(args) => commands::query::run(&config, &args),
        Command::History(command) => commands::history::run(&config, &command),
        Command::Actuate(command) => commands::actuate::run(&config, &command),
        Command::Notify(command) => commands::notify::run(&config, &command),
        Command::Replay(args) => commands::replay::run(&config, &args),
        Command::Demo(_)
        | Command::Generate(_)
        | Command::Config(_)
        | Command::Policy(_)
        | Command::Analyze(_)
        | Command::Elasticity(_)
        | Command::Loadtest(_)
        | Command::Capacity(_)
        | Command::Strategy(_)
        | Command::QueryWorker
        | Command::Completions(_)
        | Command::Man(_) => {
            unreachable!("handled above")
        }
    }
}
