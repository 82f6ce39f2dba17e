import type { ReactNode } from "react";
import { useRef } from "react";
import { useRowKeys } from "./useRowKeys";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  /** Of the cells, beside what the other fields give them. */
  className?: string;
  /** Numbers stand below one another at the right. */
  isNumber?: boolean;
  /** Left out where the window is narrow. */
  isWideOnly?: boolean;
}

interface TableProps<Row> {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string | number;
  className?: string;
}

/** Rows under their titles. `j` and `k` move the focus along the rows' links, Enter follows one. */
export function Table<Row>({ rows, columns, rowKey, className }: TableProps<Row>) {
  const table = useRef<HTMLTableElement>(null);
  useRowKeys(table);
  return (
    <div className="table-frame card">
      <table ref={table} className={classes("table", className)}>
        <thead>
          <tr>
            {columns.map(({ title, isNumber, isWideOnly }) => (
              <th key={title} scope="col" className={classes(isNumber && "right", isWideOnly && "wide-only")}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ title, cell, className: own, isNumber, isWideOnly }) => (
                <td
                  key={title}
                  className={classes(own, isNumber && "right number", isWideOnly && "wide-only")}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classes(...names: (string | false | undefined)[]): string | undefined {
  return names.filter(Boolean).join(" ") || undefined;
}
