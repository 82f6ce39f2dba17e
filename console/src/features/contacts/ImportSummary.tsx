import type { ImportResult } from "../../api/types";
import { download } from "../../ui/download";

const shownErrorCount = 20;

interface ImportSummaryProps {
  result: ImportResult;
  /** It happened; else it would. */
  isDone: boolean;
}

export function ImportSummary({ result, isDone }: ImportSummaryProps) {
  const counts: readonly (readonly [string, number, string])[] = [
    [isDone ? "Created" : "New", result.created, "green"],
    [isDone ? "Updated" : "To update", result.updated, "blue"],
    ["Unchanged", result.unchanged, "grey"],
    ["Failed", result.failed, "red"],
  ];
  return (
    <section aria-label={isDone ? "Result" : "Preview"} className="import-summary">
      <dl className="counts">
        {counts.map(([name, count, colour]) => (
          <div key={name} className={count > 0 ? `count count-${colour}` : "count"}>
            <dt>{name}</dt>
            <dd className="number">{count.toLocaleString("en-US")}</dd>
          </div>
        ))}
      </dl>
      {result.errors.length > 0 && <Errors result={result} />}
    </section>
  );
}

function Errors({ result }: { result: ImportResult }) {
  const more = result.failed - Math.min(result.errors.length, shownErrorCount);
  return (
    <div className="import-errors">
      <div className="import-errors-list" tabIndex={0} role="group" aria-label="Lines that fail">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Line</th>
              <th scope="col">Column</th>
              <th scope="col">Problem</th>
            </tr>
          </thead>
          <tbody>
            {result.errors.slice(0, shownErrorCount).map((error, index) => (
              <tr key={index}>
                <td className="number">{error.line}</td>
                <td>{error.column ?? "–"}</td>
                <td>{error.message}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="row">
        {more > 0 && <span className="muted">and {more.toLocaleString("en-US")} more</span>}
        {result.errors_csv && (
          <button
            type="button"
            className="button"
            onClick={() => download("import-errors.csv", result.errors_csv ?? "", "text/csv")}
          >
            Download the error file
          </button>
        )}
      </div>
    </div>
  );
}
