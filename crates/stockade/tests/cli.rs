//! What the command line says, as transcripts.

#[test]
fn transcripts() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

/// As the README says it: with a second program, cargo would ask which one is meant.
#[test]
fn cargo_run_runs_stockade() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let defaults = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets =
        packages.filter(|p| defaults.contains(&p["id"])).flat_map(|p| p["targets"].as_array().unwrap());
    let programs = targets.filter(|t| t["kind"].as_array().unwrap().iter().any(|kind| kind == "bin"));
    assert_eq!(programs.map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>(), ["stockade"]);
}
