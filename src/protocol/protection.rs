//! How a connection is protected, in names for people and their tools.

/// The version and the cipher of TLS, as the registries of IANA spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
}
