/** The tags of a comma-separated line, each once. */
export function splitTags(line: string): string[] {
  return [...new Set(line.split(",").map((tag) => tag.trim()).filter((tag) => tag !== ""))];
}
