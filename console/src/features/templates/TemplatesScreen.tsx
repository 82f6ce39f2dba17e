import { useState } from "react";
import { useQuery } from "../../api/hooks";
import type { List, Template } from "../../api/types";
import { Async } from "../../ui/Async";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { TemplateDialog } from "./TemplateDialog";

/** Texts that are written once and used often. */
export function TemplatesScreen() {
  const templates = useQuery<List<Template>>("/api/templates");
  const [editing, setEditing] = useState<Template | "new" | null>(null);
  useKeys({ n: () => setEditing("new") });
  const create = (
    <button type="button" className="button button-primary" onClick={() => setEditing("new")}>
      <Icon name="plus" />
      New template
    </button>
  );
  return (
    <Page title="Templates" actions={create}>
      <Async query={templates}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="There is no template." icon="copy">
              <p className="muted">A template is written once, has versions, and fits everybody.</p>
            </EmptyState>
          ) : (
            <ul className="endpoints">
              {list.data.map((template) => (
                <li key={template.id} className="card endpoint">
                  <div className="endpoint-main">
                    <span className="endpoint-url clip">{template.name}</span>
                    <span className="row small">
                      <span className="badge">{template.channel}</span>
                      <span className="muted">version {template.latest_version}</span>
                      {template.archived && <span className="badge badge-red">archived</span>}
                      {template.fields.map((field) => (
                        <code key={field} className="muted">
                          {field}
                        </code>
                      ))}
                    </span>
                    <span className="muted small clip">{template.subject ?? template.body}</span>
                  </div>
                  <button
                    type="button"
                    className="icon-button"
                    aria-label={`Edit ${template.name}`}
                    disabled={template.archived}
                    onClick={() => setEditing(template)}
                  >
                    <Icon name="edit" />
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </Async>
      {editing !== null && (
        <TemplateDialog
          template={editing === "new" ? null : editing}
          onSaved={() => {
            setEditing(null);
            templates.reload();
          }}
          onClose={() => setEditing(null)}
        />
      )}
    </Page>
  );
}
