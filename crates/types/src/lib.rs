//! assay-types
