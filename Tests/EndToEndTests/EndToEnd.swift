import Testing

/// The product as people run it: real processes, driven by HTTP and the command line alone.
///
/// One test at a time: each runs a whole system. The limit ends a hang; no test comes near it.
@Suite(.serialized, .timeLimit(.minutes(4))) enum EndToEnd {}
