import type { ImportResult } from "../../api/types";

const fields: readonly (readonly [string, string])[] = [
  ["", "Leave out"],
  ["first_name", "First name"],
  ["last_name", "Last name"],
  ["company", "Company"],
  ["email", "Email"],
  ["phone", "Phone"],
  ["tags", "Tags"],
  ["source", "Source"],
];

interface ImportColumnsProps {
  columns: ImportResult["columns"];
  map: Record<string, string>;
  onMap: (map: Record<string, string>) => void;
}

/** Which column becomes what: guessed, and changed here. */
export function ImportColumns({ columns, map, onMap }: ImportColumnsProps) {
  if (columns.length === 0) return null;
  return (
    <details className="import-columns">
      <summary>
        {columns.filter(({ field }) => field).length} of {columns.length} columns are used
      </summary>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Column in the file</th>
            <th scope="col">Becomes</th>
          </tr>
        </thead>
        <tbody>
          {columns.map(({ column, field }) => (
            <tr key={column}>
              <td>{column}</td>
              <td>
                <select
                  aria-label={`Column ${column} becomes`}
                  value={map[column] ?? field ?? ""}
                  onChange={(event) => onMap({ ...map, [column]: event.target.value })}
                >
                  {choices(field).map(([value, name]) => (
                    <option key={value} value={value}>
                      {name}
                    </option>
                  ))}
                </select>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function choices(current: string | null): readonly (readonly [string, string])[] {
  if (current === null || fields.some(([value]) => value === current)) return fields;
  return [...fields, [current, current.replace(/^custom\./, "Custom: ")]];
}
