//! assay-exec
