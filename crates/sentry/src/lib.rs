//! The application kernel: tasks, signals, memory, files, time and the system calls over them.
