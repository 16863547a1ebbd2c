//! DM 2.0 on the wire: Packages #1 to #3, commands, alerts, status codes, media types.
