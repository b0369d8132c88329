//! The world in memory: every port of the pipeline with the semantics of the real service, driven by one seed.
