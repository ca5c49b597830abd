//! Landlock: the sentry, and every stub, reaches files beneath its trees and its proc directory only (landlock(7)).
//!
//! It is entered before the first stub is forked, because the host lets a confined process read the memory of those in
//! its own domain only. It lets nothing be opened beneath a directory that no rule covers, however that directory was
//! come by: one that arrives later (for another container, or a mount) has to be worked with through descriptors of
//! its files, or through a process of its own.

use std::os::fd::{BorrowedFd, OwnedFd};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{FileType, fstat};

use crate::error::{Error, Step};
use crate::launch::{Access, Tree};

/// How much of the rules the host enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LandlockState {
    /// All.
    Full,
    /// What an older version knows.
    Partial,
    /// None: the host has no Landlock.
    None,
}

/// The newest version whose rights are asked for.
const NEWEST: ABI = ABI::V6;

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir});
    match access {
        Access::ReadOnly => read,
        // No device nodes, neither made nor spoken to.
        Access::ReadWrite => {
            AccessFs::from_all(NEWEST) & !make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev})
        }
    }
}

/// Restricts this process and what it forks.
pub(crate) fn enter(
    directories: &[OwnedFd],
    trees: &[Tree],
    proc: BorrowedFd<'_>,
) -> Result<LandlockState, Error> {
    let step = "entering a Landlock domain";
    let mut rules: Vec<(BorrowedFd<'_>, BitFlags<AccessFs>)> = Vec::new();
    for (fd, tree) in directories.iter().zip(trees) {
        use std::os::fd::AsFd;
        let file = FileType::from_raw_mode(fstat(fd).step(step)?.st_mode) != FileType::Directory;
        let rights = rights(tree.access);
        rules.push((fd.as_fd(), if file { rights & AccessFs::from_file(NEWEST) } else { rights }));
    }
    // The id maps of stubs, and which of them goes first when memory runs out, are written there.
    rules.push((proc, make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile})));
    restrict(&rules).map_err(|e| Error::Sentry(format!("{step}: {e}")))
}

fn restrict(rules: &[(BorrowedFd<'_>, BitFlags<AccessFs>)]) -> Result<LandlockState, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for &(fd, rights) in rules {
        ruleset = ruleset.add_rule(PathBeneath::new(fd, rights))?;
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => LandlockState::Full,
        RulesetStatus::PartiallyEnforced => LandlockState::Partial,
        RulesetStatus::NotEnforced => LandlockState::None,
    })
}
