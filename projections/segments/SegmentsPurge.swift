// What is left of erased people in the books of segments, which `apply` does not reach: as if they had never
// been in one. Who is in a segment may follow from what nobody can read any more, so a rebuild would find
// others than were found then.

extension SegmentsProjection {
  package static let purges = [memberships, changes]

  private static let memberships = """
    DELETE FROM {schema}.members_history m USING {erased}
    WHERE m.org = e.org AND m.contact = e.contact
    """

  private static let changes = """
    DELETE FROM {schema}.changes c USING {erased} WHERE c.org = e.org AND c.contact = e.contact
    """
}
