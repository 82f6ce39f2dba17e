import CLI
import Supervisor

extension Home {
  /// What the running `up` tells of itself; nil where none runs, or one that has written down nothing yet: the file is an
  /// earlier start's then.
  func runningStatus() throws -> SystemStatus? {
    guard let status = SystemStatus(readingFrom: status), try FileLock.isHeld(upLock) else {
      return nil
    }
    let holder = FileLock.holder(upLock)?.identity
    return holder == nil || holder == status.supervisor ? status : nil
  }
}

extension Settings {
  /// Where this machine's commands reach this home's system: the port may be one that was drawn. Never the public URL: what
  /// they say goes with the operator's token, and has to arrive where names and proxies do not work.
  func runningURL() throws -> String { try home.runningStatus()?.localURL ?? localURL }
}
