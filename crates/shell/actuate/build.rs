//! KEDA's interface, from its proto file; by a compiler in Rust, so that nobody has to install one.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/external_scaler.proto"], ["proto"])?;
    // The client is for tests. It has no transport of its own.
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}
