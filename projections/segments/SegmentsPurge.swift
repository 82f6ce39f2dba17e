// What is left of erased people in the books of segments, which `apply` does not reach: as if they had never
// been in one. Who is in a segment may follow from what nobody can read any more, so a rebuild would find
// others than were found then.
//
// No index begins with the contact: it would be written at every entering and leaving, for a read at erasures alone.
// Somebody's rows are looked up segment by segment; `sizes` has all that ever were. Materialized: joined at once, Postgres
// finds them by account and contact, which walks the account's whole history for each person.

extension SegmentsProjection {
  package static let purges = ["members_history", "changes"].map { table in
    """
    WITH x AS MATERIALIZED (
      SELECT e.org, z.segment, e.contact FROM {erased} JOIN {schema}.sizes z ON z.org = e.org)
    DELETE FROM {schema}.\(table) t USING x
    WHERE t.org = x.org AND t.segment = x.segment AND t.contact = x.contact
    """
  }
}
