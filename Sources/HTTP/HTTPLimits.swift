/// What a server grants its clients.
package struct HTTPLimits: Sendable, Equatable {
  /// A larger body is answered with 413, where the server was not given a rule of its own.
  package var maxBodyBytes = 10 << 20
  /// What all bodies together hold until their requests end; what would go beyond it is answered with 503.
  package var maxHeldBodyBytes = 128 << 20
  /// Path and query; more is answered with 414.
  package var maxTargetBytes = 6 << 10
  /// Target and header fields together; more is answered with 431, and so are more than some hundred fields. Every connection
  /// that was ever used holds so much, and 4 KiB.
  package var maxHeaderBytes = 8 << 10
  /// Requests whose handlers run at the same time; further ones are answered with 503 at once,
  /// before anything is done for them. What streams, or waits to be sent, is not counted.
  package var maxOutstandingRequests = 2048
  /// Paths that are answered however many are outstanding: for those who look why.
  package var essentialPaths: Set<String> = []
  /// Further clients wait in the listen queue. Open files must allow it: see
  /// `System.raiseOpenFileLimit`.
  package var maxConnections = 12_000
  /// Silence after which a connection is closed. Does not count while a handler runs or while a
  /// stream has nothing to send.
  package var idleTimeoutSeconds = 60
  /// Time for all bytes of one request to arrive: against clients that trickle.
  package var requestTimeoutSeconds = 120
  /// So fast an answer that is in memory is taken at least, over all of it, with as much time besides as a request has.
  package var leastAnswerBytesPerSecond = 8 << 10
  /// Bytes of a stream that wait for a slow client before its producer has to wait.
  package var maxQueuedStreamBytes = 256 << 10
  package var threads = 2
  /// Connections of one address, an IPv6 network of 64 bits being one: further ones are closed at once, so that
  /// nobody takes all there are.
  package var maxConnectionsPerAddress = 1_000
  /// Whose connections are not counted: this machine and the proxies before it, behind which are many clients.
  package var uncountedNetworks = ["127.0.0.0/8", "::1"].compactMap(IPNetwork.init)

  /// One pool of MHD's holds the read buffer, the parsed header and the write buffer: more than we take, so
  /// that there is room to answer what is too large. It clears all of it after each request, so that an idle
  /// connection costs the whole pool.
  var connectionMemoryBytes: Int { maxHeaderBytes + (4 << 10) }

  /// Whether the head of an answer fits into the pool beside that of its request: without room for it MHD closes the
  /// connection in silence, with the request carried out. It keeps a record of 64 bytes for each field.
  func hasRoom(headBytes: Int, fieldCount: Int) -> Bool {
    headBytes + fieldCount * 64 + Self.maxAnswerFieldBytes + Self.answerFrameBytes
      <= connectionMemoryBytes
  }

  /// The fields of an answer together, as they are sent. A handler that answers with more is at fault (500), whatever
  /// room the head of its request left: else a long head would end the connection without an answer.
  package static let maxAnswerFieldBytes = (2 << 10) - answerFrameBytes

  /// What the daemon writes of an answer: the status line, Date, Connection, Content-Length or Transfer-Encoding and the
  /// size of the first chunk, at most 200 bytes.
  private static let answerFrameBytes = 256

  package init() {}

  package init(maxBodyBytes: Int, maxConnections: Int = 12_000, idleTimeoutSeconds: Int = 60) {
    self.maxBodyBytes = maxBodyBytes
    self.maxConnections = maxConnections
    self.idleTimeoutSeconds = idleTimeoutSeconds
  }
}

/// A certificate chain and its private key, as PEM files. TLS 1.3 only.
package struct HTTPTLS: Sendable, Equatable {
  package var certificatePath: String
  package var keyPath: String

  package init(certificatePath: String, keyPath: String) {
    self.certificatePath = certificatePath
    self.keyPath = keyPath
  }
}
