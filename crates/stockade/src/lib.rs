//! Stockade's command line as a library: what a sandbox is described by ([`config`]), how options become that description
//! ([`cli`], [`parse`], [`plan`]), and what runs beside a sandbox.

pub mod caller;
pub mod cli;
pub mod commands;
mod complete;
pub mod config;
pub mod connect;
mod copy;
mod detached;
mod exec;
pub mod failure;
pub mod front;
pub mod image;
pub mod logging;
mod output;
pub mod parse;
pub mod plan;
mod progress;
mod restore;
pub mod run;
pub mod sentry;
pub mod state;
mod table;
mod terminal;
mod top;
