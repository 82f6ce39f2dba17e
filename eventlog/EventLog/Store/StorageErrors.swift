import Glibc
import LMDB
import Vault
import Zstd

/// Runs `body` and turns what LMDB and zstd throw into the log's own error. The one place where that
/// happens.
func mappingErrors<Result>(_ body: () throws -> Result) throws(EventLogError) -> Result {
  do {
    return try body()
  } catch let error as EventLogError {
    throw error
  } catch let error as LMDBError where error.isClosed {
    throw .closed
  } catch let error as LMDBError where error.isCutOff {
    throw .corrupted(position: 0, reason: error.message)
  } catch let error as LMDBError {
    throw .storage(reason: error.description)
  } catch VaultError.closed {
    throw .closed
  } catch VaultError.storage(let error) where error.isDiskFull {
    throw .logFull(capacityBytes: 0)
  } catch VaultError.file(_, let code) where code == ENOSPC || code == EDQUOT {
    throw .logFull(capacityBytes: 0)
  } catch VaultError.storage(let error) where error.isCutOff {
    throw .corrupted(position: 0, reason: error.message)
  } catch VaultError.wrongRootKey {
    throw .wrongRootKey
  } catch VaultError.damagedRecord {
    throw .corrupted(position: 0, reason: VaultError.damagedRecord.description)
  } catch let error as VaultError {
    throw .storage(reason: error.description)
  } catch let error as ZstdError {
    throw .storage(reason: error.description)
  } catch let error as MalformedBytes {
    throw .storage(reason: error.reason)
  } catch {
    throw .storage(reason: "\(type(of: error))")
  }
}
