// What is left of erased people in the books of segments, which `apply` does not reach: as if they had never
// been in one. Who is in a segment may follow from what nobody can read any more, so a rebuild would count
// others than were counted then.

extension SegmentsProjection {
  package static let purges = [countsWithout, linesOfTheirs, memberships, changes]

  /// Takes the person out of every count of the past, for as long as they were in.
  private static let countsWithout = """
    WITH lines AS (
      SELECT m.org, m.segment, m.contact, m.span, m.at_position,
        (NOT m.is_deleted AND m.noted AND m.leaves_at IS NULL)::int AS settled
      FROM {erased}
      JOIN {schema}.members_history m ON m.org = e.org AND m.contact = e.contact
    ), steps AS (
      SELECT org, segment, at_position, settled - lag(settled, 1, 0) OVER (
        PARTITION BY org, segment, contact, span ORDER BY at_position) AS step FROM lines
    ), marks AS (
      SELECT org, segment, at_position, step, false AS is_line FROM steps WHERE step <> 0
      UNION ALL
      SELECT h.org, h.segment, h.at_position, 0, true FROM {schema}.segments_history h
      WHERE NOT h.is_deleted
        AND (h.org, h.segment) IN (SELECT org, segment FROM steps WHERE step <> 0)
    ), counts AS (
      SELECT org, segment, at_position, is_line, sum(step) OVER (
        PARTITION BY org, segment ORDER BY at_position) AS count FROM marks
    )
    UPDATE {schema}.segments_history h SET settled_count = h.settled_count - c.count
    FROM counts c WHERE c.is_line AND c.count <> 0 AND h.org = c.org
      AND h.segment = c.segment AND h.at_position = c.at_position
    """

  /// A count that changed because of the person alone did not change. Where the definition changed, there is
  /// a line for that.
  private static let linesOfTheirs = """
    DELETE FROM {schema}.segments_history h USING (
      SELECT DISTINCT m.org, m.segment, m.at_position FROM {erased}
      JOIN {schema}.members_history m ON m.org = e.org AND m.contact = e.contact
    ) x WHERE h.org = x.org AND h.segment = x.segment AND h.at_position = x.at_position
      AND NOT h.is_deleted AND h.position <> h.at_position
    """

  private static let memberships = """
    DELETE FROM {schema}.members_history m USING {erased}
    WHERE m.org = e.org AND m.contact = e.contact
    """

  private static let changes = """
    DELETE FROM {schema}.changes c USING {erased} WHERE c.org = e.org AND c.contact = e.contact
    """
}
