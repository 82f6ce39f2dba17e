extension PostgresConnection {
  /// Streams rows that are already in the binary form of COPY (header, rows, trailer) into a table:
  /// for callers that make rows without a connection at hand, and count round trips.
  ///
  /// - Returns: The count of rows.
  @discardableResult
  package func copyIn(
    table: String, columns: [String], schema: String, isFrozen: Bool = false,
    binary chunks: [[UInt8]]
  ) throws(PostgresError) -> Int {
    let names = columns.map { quotedIdentifier($0) }.joined(separator: ", ")
    _ = try session.execute(
      """
      COPY \(quotedIdentifier(schema)).\(quotedIdentifier(table)) (\(names)) FROM STDIN \
      (FORMAT binary\(isFrozen ? ", FREEZE" : ""))
      """)
    for chunk in chunks { try session.putCopyData(chunk) }
    return try session.endCopy(isAborted: false).affectedRowCount
  }
}
