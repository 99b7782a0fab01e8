//! assay-proof
