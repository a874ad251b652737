//! The program: parses the arguments and calls the library.

use std::{
    io::{ErrorKind, Write, stderr, stdout},
    process::ExitCode,
};

use secure_parameter_operator::{
    api::{crds, to_yaml},
    cli::{
        self, CheckArgs, Command, CompletePluginArgs, Completion, CrdsArgs, IamArgs, MigrateArgs, Output, PluginArgs,
        RunArgs,
    },
    commands::{
        iam::iam,
        migrate::migrate,
        plugin::{names, plugin},
    },
    config::{CheckConfig, Config},
    controller::{Settings, check, run},
    kubernetes::connect,
    telemetry::start_logging,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Counts allocations, where the program is built to write a profile of its heap.
#[cfg(feature = "heap-profile")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    // Writes `dhat-heap.json` when the program ends.
    #[cfg(feature = "heap-profile")]
    let _profiler = dhat::Profiler::new_heap();
    // Installed once and before any client: those of Kubernetes and of AWS share this crypto provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match cli::parse() {
        Command::Run(args) => start(args).map(|()| true),
        Command::Crds(args) => print_crds(&args).map(|()| true),
        Command::Iam(args) => print_policies(args).map(|()| true),
        Command::Migrate(args) => print_translation(args).map(|()| true),
        Command::Check(args) => check_stores(args),
        Command::Plugin(args) => answer_user(args),
        Command::CompletePlugin(args) => complete(&args).map(|()| true),
        Command::Completions(args) => print(&cli::completions(&args)).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            // Messages of libraries may have several lines; this prints one.
            let words: Vec<_> = message.split_whitespace().collect();
            let _ = writeln!(stderr(), "{}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

// One thread for the reconciles: they wait most of the time, and each further thread would need memory of its own.
#[tokio::main(flavor = "current_thread")]
async fn start(args: RunArgs) -> Result<(), String> {
    let config = Config::new(args)?;
    start_logging(config.log_format, &config.log_filter)?;
    for variable in cli::unknown_variables() {
        tracing::warn!(variable, "no flag reads this variable; correct its name, see run --help");
    }
    let stop = stop_on_signal()?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        format!("Cannot listen on {}: {error}; choose another address with --listen.", config.listen)
    })?;
    let clients = connect().await?;
    let Config { scope, reconciling, audit_queue, aws, election, .. } = config;
    let settings = Settings { listener, scope, reconciling, audit_queue, aws, election };
    Box::pin(run(clients, settings, stop)).await.map_err(|error| error.to_string())
}

/// Returns a token that the first SIGTERM or SIGINT cancels. A second signal ends the process at once.
fn stop_on_signal() -> Result<CancellationToken, String> {
    let stop = CancellationToken::new();
    let listen = |kind| signal(kind).map_err(|error| format!("Cannot listen for signals: {error}."));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopped.is_cancelled() {
                std::process::exit(1);
            }
            tracing::info!("stopping");
            stopped.cancel();
        }
    });
    Ok(stop)
}

fn print(text: &str) -> Result<(), String> {
    match stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough, as `head` has.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("Cannot print: {error}.")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn print_policies(args: IamArgs) -> Result<(), String> {
    print(&iam(args).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn print_translation(args: MigrateArgs) -> Result<(), String> {
    print(&migrate(args).await?)
}

/// Runs a command of the kubectl plugin. Returns whether all is well.
#[tokio::main(flavor = "current_thread")]
async fn answer_user(args: PluginArgs) -> Result<bool, String> {
    let printed = Box::pin(plugin(args)).await?;
    print(&printed.text)?;
    let _ = stderr().write_all(printed.errors.as_bytes());
    Ok(printed.is_ok)
}

/// Answers kubectl, which wants completions of the plugin's arguments.
#[tokio::main(flavor = "current_thread")]
async fn complete(args: &CompletePluginArgs) -> Result<(), String> {
    let (words, directive) = match cli::complete_plugin(args) {
        Completion::Words(words) => (words, cli::NO_FILES),
        Completion::Names(cluster) => (Box::pin(names(cluster)).await, cli::NO_FILES),
        Completion::Files => (Vec::new(), cli::FILES),
    };
    print(&words.iter().map(|word| format!("{word}\n")).chain([format!("{directive}\n")]).collect::<String>())
}

/// Checks the stores. Returns whether they work.
#[tokio::main(flavor = "current_thread")]
async fn check_stores(args: CheckArgs) -> Result<bool, String> {
    let CheckConfig { question, output, aws } = CheckConfig::new(args);
    let report = Box::pin(check(&connect().await?, &question, aws)).await?;
    print(&match output {
        Output::Text => report.text(),
        Output::Json => report.json()?,
    })?;
    Ok(report.is_ok())
}

fn print_crds(args: &CrdsArgs) -> Result<(), String> {
    for (file, manifest) in crds() {
        let yaml = to_yaml(&manifest).map_err(|error| format!("Cannot render {file}: {error}."))?;
        match &args.write {
            Some(folder) => std::fs::write(folder.join(&file), yaml)
                .map_err(|error| format!("Cannot write {}: {error}.", folder.join(&file).display()))?,
            None => print(&format!("---\n{yaml}"))?,
        }
    }
    Ok(())
}
