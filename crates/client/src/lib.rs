//! assay-client
