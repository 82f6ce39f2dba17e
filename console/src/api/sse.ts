/** One event of a `text/event-stream`. */
export interface StreamEvent {
  id: string | null;
  data: string;
}

/**
 * Takes a stream's text as it arrives and gives its complete events.
 *
 * Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". `retry` and `event` are not used here.
 */
export class StreamParser {
  private rest = "";
  private data: string[] = [];
  private id: string | null = null;

  push(chunk: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.take(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  private take(line: string): StreamEvent | null {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    if (name === "id" && !value.includes("\0")) this.id = value;
    return null;
  }

  private dispatch(): StreamEvent | null {
    if (this.data.length === 0) return null;
    const event = { id: this.id, data: this.data.join("\n") };
    this.data = [];
    return event;
  }
}
