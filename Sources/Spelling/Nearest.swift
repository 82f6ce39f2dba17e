/// The candidate nearest to `word`, where one is near enough to have been meant.
package func nearest(to word: String, among candidates: [String]) -> String? {
  let ranked = candidates.map { (candidate: $0, distance: editDistance(word, $0)) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  // A third of the letters may differ: `stauts` is status, `up` is not `down`.
  return best.distance <= max(1, max(word.count, best.candidate.count) / 3) ? best.candidate : nil
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
func editDistance(_ left: String, _ right: String) -> Int {
  let left = Array(left)
  let right = Array(right)
  var rows = [Array(0...right.count)]
  for (i, leftLetter) in left.enumerated() {
    var row = [i + 1]
    for (j, rightLetter) in right.enumerated() {
      let replaced = rows[i][j] + (leftLetter == rightLetter ? 0 : 1)
      var distance = min(rows[i][j + 1] + 1, row[j] + 1, replaced)
      if i > 0, j > 0, leftLetter == right[j - 1], left[i - 1] == rightLetter {
        distance = min(distance, rows[i - 1][j - 1] + 1)
      }
      row.append(distance)
    }
    rows.append(row)
  }
  return rows[left.count][right.count]
}
