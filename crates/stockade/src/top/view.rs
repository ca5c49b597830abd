//! How it looks.

use super::model::{Calls, Model, Processes};
use super::trace::Trace;
use super::{Mode, Session};
use crate::parse::format_size;
use crate::table::Table as Columns;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};
use std::time::Duration;
use stockade_control::ps::duration;

const PROCESSES: [(&str, Constraint); 7] = [
    ("PID", Constraint::Length(8)),
    ("USER", Constraint::Length(8)),
    ("THR", Constraint::Length(5)),
    ("CPU%", Constraint::Length(7)),
    ("MEMORY", Constraint::Length(10)),
    ("TIME", Constraint::Length(12)),
    ("COMMAND", Constraint::Fill(1)),
];

const CALLS: [(&str, Constraint); 6] = [
    ("CALL", Constraint::Length(24)),
    ("PER SECOND", Constraint::Length(11)),
    ("AVERAGE", Constraint::Length(12)),
    ("LONGEST", Constraint::Length(12)),
    ("FAILED", Constraint::Length(8)),
    ("", Constraint::Fill(1)),
];

const KEYS: &str = "q quit  h help  ↑↓ choose  c m p sort processes  r s f u sort calls  t trace  k K kill";

const HELP: &str = "\
Processes   c by CPU   m by memory   p by number   ↑ ↓ PgUp PgDn choose one
            t its calls as they are made, or all again   k send it SIGTERM   K SIGKILL
Calls       r by calls per second   s the slowest first   f those that fail
            u those that Stockade does not support
Ctrl-Z      stop this command   Ctrl-L draw everything anew
q  Esc      quit; the sandbox goes on";

fn process_rows(model: &Model) -> Vec<[String; 7]> {
    let row = |p: super::model::Process| {
        [
            p.pid.to_string(),
            p.uid.to_string(),
            p.threads.to_string(),
            format!("{:.1}", p.cpu),
            format_size(p.memory),
            duration(Duration::from_millis(p.cpu_time / 1_000_000)),
            if p.zombie { format!("{} (zombie)", p.command) } else { p.command },
        ]
    };
    model.listed().into_iter().map(row).collect()
}

fn call_rows(model: &Model) -> Vec<[String; 6]> {
    let time = |nanos: u64| if nanos == 0 { "-".into() } else { duration(Duration::from_nanos(nanos)) };
    let row = |c: super::model::Call| {
        let remark = if c.unsupported { "not supported" } else { "" };
        [
            c.name,
            format!("{:.0}", c.rate),
            time(c.average),
            time(c.longest),
            c.failed.to_string(),
            remark.to_owned(),
        ]
    };
    model.called().into_iter().map(row).collect()
}

fn summary(model: &Model) -> String {
    let figures = model.figures();
    let [guests, files, sentry] = figures.memory;
    format!(
        "{} tasks  CPU {:.1}%  {:.0} calls/s  memory {} of {} (programs {}, files {}, Stockade {}){}",
        figures.tasks,
        model.cpu(),
        model.calls_per_second(),
        format_size(guests + files + sentry),
        format_size(figures.memory_limit),
        format_size(guests),
        format_size(files),
        format_size(sentry),
        if figures.paused { "  PAUSED" } else { "" }
    )
}

/// Everything as text.
pub(super) fn text(model: &Model) -> String {
    let table = |headings: &[&str], rows: &mut dyn Iterator<Item = Vec<String>>| {
        let mut table = Columns::new(headings);
        for row in rows {
            table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        table.text()
    };
    let processes =
        table(&PROCESSES.map(|(name, _)| name), &mut process_rows(model).into_iter().map(Vec::from));
    let calls = table(&CALLS.map(|(name, _)| name), &mut call_rows(model).into_iter().map(Vec::from));
    format!("{}\n\n{processes}\n{calls}", summary(model))
}

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, session: &Session<'_>) {
    let model = &session.model;
    let [head, processes, calls, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let title = Line::styled(format!("sandbox {}", session.id), Modifier::BOLD);
    frame.render_widget(Paragraph::new(vec![title, Line::raw(summary(model))]), head);
    draw_processes(frame, processes, model);
    match &session.trace {
        Some(trace) => draw_trace(frame, calls, trace),
        None => draw_calls(frame, calls, model),
    }
    let text = match &session.mode {
        Mode::Confirm(signal, pid) => format!("send signal {signal} to process {pid}? y/n"),
        _ if !session.message.is_empty() => session.message.clone(),
        _ => KEYS.into(),
    };
    frame.render_widget(Paragraph::new(text).style(Modifier::REVERSED), foot);
    if session.mode == Mode::Help {
        let area = Rect { height: 9.min(frame.area().height), ..frame.area() };
        let help = Paragraph::new(HELP).block(Block::bordered().title("Keys; any key goes back"));
        frame.render_widget(ratatui::widgets::Clear, area);
        frame.render_widget(help, area);
    }
}

fn draw_processes(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let by = match model.processes {
        Processes::Cpu => "CPU",
        Processes::Memory => "memory",
        Processes::Pid => "number",
    };
    let list = model.listed();
    let chosen = model.selected().and_then(|c| list.iter().position(|p| p.pid == c.pid));
    let rows = process_rows(model).into_iter().map(|cells| Row::new(cells.map(Cell::from)));
    let table = Table::new(rows, PROCESSES.map(|(_, width)| width))
        .header(header(&PROCESSES.map(|(name, _)| name)))
        .row_highlight_style(Modifier::REVERSED)
        .block(Block::bordered().title(format!("Processes by {by}")));
    frame.render_stateful_widget(table, area, &mut TableState::default().with_selected(chosen));
}

fn draw_calls(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let by = match model.calls {
        Calls::Rate => "Calls by number per second",
        Calls::Slowest => "Calls, the slowest first",
        Calls::Failing => "Calls by number of failures",
        Calls::Unsupported => "Calls, unsupported ones first",
    };
    let rows = call_rows(model).into_iter().map(|cells| Row::new(cells.map(Cell::from)));
    let table = Table::new(rows, CALLS.map(|(_, width)| width))
        .header(header(&CALLS.map(|(name, _)| name)))
        .block(Block::bordered().title(by));
    frame.render_widget(table, area);
}

fn draw_trace(frame: &mut Frame<'_>, area: Rect, trace: &Trace) {
    let end = if trace.has_ended { ", which has ended" } else { "" };
    let title = format!("Calls of process {} ({}){end}", trace.pid, trace.command);
    // Within the border.
    let lines = trace.last(usize::from(area.height.saturating_sub(2)));
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::raw).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

fn header(names: &[&'static str]) -> Row<'static> {
    Row::new(names.iter().map(|&name| Cell::from(name)).collect::<Vec<_>>())
        .style(Style::from(Modifier::BOLD))
}
