import Testing

/// Tests that run a whole house. One after the other: each holds threads, a log and two servers.
@Suite(.serialized) enum HouseTests {}
