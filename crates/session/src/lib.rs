//! The DM session, client and server mirrored: sans-I/O machine and reducer.
