/// What a handler answers. The server frames the body: `Content-Length` and `Transfer-Encoding` in
/// `headers` are ignored.
package struct HTTPResponse: Sendable {
  package enum Body: Sendable {
    case bytes([UInt8])
    /// Sent as it comes, in chunks. When the client goes away, the iteration is cancelled, and with
    /// it the task that ran the handler.
    case stream(AsyncStream<[UInt8]>)
    /// Sent from disk; a file that cannot be opened is answered with 404. Adds the content type.
    case file(path: String, contentType: String)
  }

  package var status: Int
  package var headers: HTTPHeaders
  package var body: Body
  /// Whether a stream is ended as soon as the server begins to stop, not after the grace: for
  /// streams without end, whose clients come back by themselves.
  package var endsOnStop = false
  /// Whether the connection is closed without a byte of an answer, as if the server had died between
  /// the work and the answer. For simulators of faults.
  package var dropsConnection = false
  /// Kept until the request is over, however its connection ends, and then let go of: what the answer takes up
  /// elsewhere is given back when this is gone.
  package var lease: (any AnyObject & Sendable)?

  package init(status: Int, headers: HTTPHeaders = [:], body: Body = .bytes([])) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  package static func json(_ status: Int, _ bytes: [UInt8]) -> HTTPResponse {
    HTTPResponse(status: status, headers: ["Content-Type": "application/json"], body: .bytes(bytes))
  }

  package static func text(_ status: Int, _ text: String) -> HTTPResponse {
    HTTPResponse(
      status: status, headers: ["Content-Type": "text/plain; charset=utf-8"],
      body: .bytes(Array(text.utf8)))
  }

  /// A `text/event-stream`: each element is one or more whole events (`ServerSentEvent.bytes`).
  package static func eventStream(_ events: AsyncStream<[UInt8]>) -> HTTPResponse {
    var response = HTTPResponse(
      status: 200,
      headers: [
        "Content-Type": "text/event-stream", "Cache-Control": "no-store",
        // nginx would collect the events into blocks otherwise.
        "X-Accel-Buffering": "no",
      ], body: .stream(events))
    response.endsOnStop = true
    return response
  }
}
