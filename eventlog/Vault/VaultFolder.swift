import Glibc

/// The vault's directory. Generation 0 is the directory itself, generation n the folder `keys.n`; the
/// file `current` says which counts, and each rewriting makes a new one.
struct VaultFolder: Sendable {
  let path: String

  private var currentPath: String { path + "/current" }

  func path(ofGeneration generation: UInt64) -> String {
    generation == 0 ? path : "\(path)/keys.\(generation)"
  }

  /// One open(2) and one read(2); without the file one failed open(2).
  func currentGeneration() throws(VaultError) -> UInt64 {
    let descriptor = unsafe open(currentPath, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return 0 }
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    guard count > 0, let number = UInt64(String(decoding: bytes.prefix(count), as: UTF8.self))
    else { throw .damagedRecord }
    return number
  }

  /// Makes the empty folder of a generation, without what a crash may have left in it.
  func makeGeneration(_ generation: UInt64) throws(VaultError) {
    try removeFiles(ofGeneration: generation)
    guard unsafe mkdir(path(ofGeneration: generation), 0o700) == 0 || errno == EEXIST else {
      throw .file(function: "mkdir", code: errno)
    }
  }

  /// Makes `generation` the one that counts, durably.
  func setCurrent(_ generation: UInt64) throws(VaultError) {
    try flush(path(ofGeneration: generation) + "/data.mdb")
    try flush(path(ofGeneration: generation))
    let temporary = currentPath + ".new"
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    let descriptor = unsafe open(temporary, flags, 0o600)
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    try KeyFile.write(Array(String(generation).utf8), flushedTo: descriptor)
    guard unsafe rename(temporary, currentPath) == 0 else {
      throw .file(function: "rename", code: errno)
    }
    try flushNames()
  }

  /// Makes durable which generation counts.
  func flushNames() throws(VaultError) { try flush(path) }

  /// Deletes a generation that does not count.
  func removeGeneration(_ generation: UInt64) throws(VaultError) {
    try removeFiles(ofGeneration: generation)
  }

  /// Deletes what came before `generation`. What cannot be deleted any more was deleted before.
  func removeGenerations(below generation: UInt64) throws(VaultError) {
    let start = generation > 8 ? generation - 8 : 0
    for old in start..<generation { try removeFiles(ofGeneration: old) }
    try flush(path)
  }

  /// Whoever is just opening the old file makes the others of an environment beside it: they are deleted once more then.
  private func removeFiles(ofGeneration generation: UInt64) throws(VaultError) {
    for _ in 0..<100 where try !removeOnce(generation) { usleep(1_000) }
    guard try removeOnce(generation) else { throw .file(function: "rmdir", code: ENOTEMPTY) }
  }

  /// False where there were others meanwhile.
  private func removeOnce(_ generation: UInt64) throws(VaultError) -> Bool {
    let folder = path(ofGeneration: generation)
    for name in ["data.mdb", "lock.mdb", "exchange.lock"] {
      guard unsafe unlink("\(folder)/\(name)") == 0 || errno == ENOENT else {
        throw .file(function: "unlink", code: errno)
      }
    }
    guard generation > 0, unsafe rmdir(folder) != 0, errno != ENOENT else { return true }
    guard errno == ENOTEMPTY else { throw .file(function: "rmdir", code: errno) }
    return false
  }

  private func flush(_ path: String) throws(VaultError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .file(function: "fsync", code: errno) }
  }
}
