//! assay-provider
