import Foundation

/// The disk under a folder, as Linux's sysfs shows it.
struct BlockDevice {
  private let folder: String

  /// nil where the folder is on none: in memory, on a network, in a container's layers.
  init?(holding path: String) {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard let device = attributes?[.systemNumber] as? Int else { return nil }
    // As glibc's `makedev` packs them.
    let major = ((device >> 8) & 0xFFF) | ((device >> 32) & ~0xFFF)
    let minor = (device & 0xFF) | ((device >> 12) & ~0xFF)
    self.init(folder: "/sys/dev/block/\(major):\(minor)")
  }

  /// `folder`: a block device's in sysfs.
  init?(folder: String) {
    guard FileManager.default.fileExists(atPath: folder) else { return nil }
    self.folder = folder
  }

  /// Whether it, or every disk that it is made of, is a mapping of dm-crypt.
  var isEncrypted: Bool {
    let uuid = try? String(contentsOfFile: folder + "/dm/uuid", encoding: .utf8)
    if uuid?.hasPrefix("CRYPT-") == true { return true }
    let parts = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/slaves")) ?? []
    return !parts.isEmpty
      && parts.allSatisfy { Self.init(folder: folder + "/slaves/" + $0)?.isEncrypted == true }
  }
}
