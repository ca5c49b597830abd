//! The Linux ABI: numbers, flags, structures and errors. No logic.
