//! Compiles the protocol's messages and services; protox needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../proto");
    let files = protox::compile(["tfplugin6.proto", "plugin.proto"], ["../proto"])?;
    // A call that isn't implemented is answered as such.
    tonic_prost_build::configure().generate_default_stubs(true).build_transport(false).compile_fds(files)?;
    Ok(())
}
