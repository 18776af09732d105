//! Makes a fixture with the build as it is: `cargo xtask fixture NAME` runs this.

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("Give the name of the fixture: the version, such as 0.1.0.");
        std::process::exit(2);
    };
    let fixture = photinus_e2e::fixture::Fixture::make(&name);
    println!("crates/e2e/fixtures/{} is made.", fixture.name());
}
