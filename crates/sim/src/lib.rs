//! assay-sim
