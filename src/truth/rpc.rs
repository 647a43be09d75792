//! Which call of MilvusService a request is.

/// Makes [`Rpc`] and its table of names from one list, so that the two cannot drift apart.
macro_rules! rpcs {
    ($($name:ident),* $(,)?) => {
        /// A call of MilvusService, as far as `proto/` knows it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rpc {
            $($name,)*
            /// Any other path; answered UNIMPLEMENTED.
            Other,
        }

        impl Rpc {
            /// Every call, in the order of [`Rpc::index`].
            pub const ALL: &[Self] = &[$(Self::$name,)* Self::Other];

            /// The call's name on the wire; `Other` for an unknown one.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Other => "Other",
                }
            }

            fn from_name(name: &str) -> Self {
                match name {
                    $(stringify!($name) => Self::$name,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

// The measured calls come first: their comparison is the one on the hot path.
rpcs!(
    Search,
    Insert,
    Query,
    Connect,
    GetVersion,
    CheckHealth,
    CreateCollection,
    DropCollection,
    HasCollection,
    DescribeCollection,
    LoadCollection,
    GetLoadingProgress,
    GetLoadState,
    CreateIndex,
    DescribeIndex,
    Flush,
    GetFlushState,
    ManualCompaction,
    GetCompactionState,
    GetPersistentSegmentInfo,
    GetQuerySegmentInfo,
);

impl Rpc {
    /// How many there are, [`Rpc::Other`] included.
    pub const COUNT: usize = Self::ALL.len();

    /// The call that an HTTP/2 `:path` asks for.
    pub fn from_path(path: &str) -> Self {
        path.strip_prefix("/milvus.proto.milvus.MilvusService/").map_or(Self::Other, Self::from_name)
    }

    /// Position in [`Rpc::ALL`], below [`Rpc::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// True where the reply is a bare `Status`; every other reply carries its `Status` in field 1.
    pub(super) const fn answers_with_bare_status(self) -> bool {
        matches!(
            self,
            Self::CreateCollection | Self::DropCollection | Self::LoadCollection | Self::CreateIndex
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_call_and_anything_else_is_other() {
        assert_eq!(Rpc::from_path("/milvus.proto.milvus.MilvusService/Search"), Rpc::Search);
        assert_eq!(Rpc::from_path("/milvus.proto.milvus.MilvusService/GetLoadState"), Rpc::GetLoadState);
        for other in ["/milvus.proto.milvus.MilvusService/HybridSearch", "/grpc.health.v1.Health/Check", ""] {
            assert_eq!(Rpc::from_path(other), Rpc::Other);
        }
    }

    #[test]
    fn every_call_stands_at_its_index() {
        for (position, rpc) in Rpc::ALL.iter().enumerate() {
            assert_eq!(rpc.index(), position, "{}", rpc.name());
        }
    }
}
