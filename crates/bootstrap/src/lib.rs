//! DM bootstrap: profile, package, plan, preview, apply, provenance, completion.
