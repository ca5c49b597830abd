//! What of the host a restored sandbox is given: what it had, as far as whoever wrote the image may ask for it, and what the
//! options say.

use crate::cli::RestoreArgs;
use crate::config::{OverlayConfig, SandboxConfig, VolumeConfig};
use crate::failure::{Failure, reason};
use crate::plan::files;
use crate::run::say;
use std::path::Path;

/// The configuration with the options in it. An image that is not `is_trusted` may ask for what every sandbox is given,
/// which is to read: what it wants to write to has to be named.
pub(super) fn rebind(
    mut config: SandboxConfig,
    args: &RestoreArgs,
    is_trusted: bool,
) -> Result<SandboxConfig, Failure> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let mut named = vec![false; config.volumes.len()];
    for argument in &args.volume {
        let VolumeConfig { source, destination, read_only } = files::volume(argument, &cwd)?;
        let index = config.volumes.iter().position(|volume| volume.destination == destination);
        let index = index.ok_or_else(|| no_volume(&destination, &config.volumes))?;
        if let (Some(volume), Some(named)) = (config.volumes.get_mut(index), named.get_mut(index)) {
            *named = true;
            volume.source = source;
            volume.read_only |= read_only;
        }
    }
    if let Some(root) = &args.root {
        config.root.path = files::directory("--root", root, &cwd)?;
    }
    if !is_trusted {
        distrust(&mut config, &named, args)?;
    }
    there("its root", &config.root.path, "--root DIR")?;
    if let OverlayConfig::Dir(path) = &config.root.overlay {
        there("the directory of its overlay", path, "")?;
    }
    for volume in &config.volumes {
        let option = format!("--volume SRC:{}", volume.destination.display());
        there("a volume of it", &volume.source, &option)?;
    }
    Ok(config)
}

/// Takes what nobody but the restorer may give.
fn distrust(config: &mut SandboxConfig, named: &[bool], args: &RestoreArgs) -> Result<(), Failure> {
    let refused = |what: String, hint: String| {
        let file = args.file.display();
        Failure::new(format!("{file} was not saved with a key, nor on this host, and wants to {what}"), hint)
    };
    let mut volumes = config.volumes.iter().zip(named);
    if let Some((volume, _)) = volumes.find(|(volume, named)| !volume.read_only && !**named) {
        let (source, destination) = (volume.source.display(), volume.destination.display());
        return Err(refused(
            format!("write to {source} (a volume at {destination})"),
            format!("if it shall, say so: --volume {source}:{destination}; else add :ro"),
        ));
    }
    if let OverlayConfig::Dir(path) = &config.root.overlay {
        return Err(refused(
            format!("write to {}, the directory of its overlay", path.display()),
            "save with --key-file, and restore with that, to have an overlay directory elsewhere".to_owned(),
        ));
    }
    if let Some(file) = config.log.file.take()
        && !args.quiet
    {
        say(&format!(
            "{}: not saved with a key, nor on this host; its log {} is not written to, but shown here",
            args.file.display(),
            file.display()
        ));
    }
    Ok(())
}

fn no_volume(destination: &Path, volumes: &[VolumeConfig]) -> Failure {
    let there: Vec<String> = volumes.iter().map(|v| v.destination.display().to_string()).collect();
    let hint = match there.is_empty() {
        true => "it has no volumes".to_owned(),
        false => format!("it has volumes at {}", there.join(", ")),
    };
    Failure::new(format!("--volume: the image has no volume at {}", destination.display()), hint)
}

/// What it had on the host has to be there again.
fn there(what: &str, path: &Path, option: &str) -> Result<(), Failure> {
    std::fs::metadata(path).map(drop).map_err(|e| {
        let hint = match option {
            "" => String::new(),
            option => format!("name another one with {option}"),
        };
        Failure::new(format!("{what}, {}: {}", path.display(), reason(&e)), hint)
    })
}
