import CLI

/// Every command, in the order in which the help lists them.
let allCommands = CommandSet([
  upCommand, downCommand, statusCommand,
  eventsTailCommand, logStatsCommand,
  postgresCommand,
  versionCommand,
])
