import CLI

/// Every command, in the order in which the help lists them.
let allCommands = CommandSet([
  upCommand, downCommand, statusCommand, doctorCommand,
  rebuildCommand, projectionListCommand, projectionCheckCommand, projectionParkedCommand,
  projectionDrainCommand, projectionRollbackCommand,
  importContactsCommand,
  haltCommand, resumeCommand, eraseCommand, walletStatementCommand,
  verifyCommand, verifyBundleCommand, exportAuditCommand,
  eventsTailCommand, listenCommand, logStatsCommand, logCompactCommand, logRehearseCommand,
  logSnapshotCommand,
  keysRotateCommand,
  backupCommand, restoreCommand, releaseCommand,
  serveCommand, projectCommand, sandboxCommand,
  seedCommand, benchCommand,
  postgresCommand,
  versionCommand,
])
