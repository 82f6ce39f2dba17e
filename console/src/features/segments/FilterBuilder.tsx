import { Icon } from "../../ui/Icon";
import { Choice } from "./Choice";
import { EventCondition } from "./EventCondition";
import { FieldCondition } from "./FieldCondition";
import type { Group, Match, Node } from "./filter";
import { depthLimit, emptyEvent, emptyRow, fieldNames, isEvent, isGroup } from "./filter";

interface FilterBuilderProps {
  draft: Group;
  onChange: (draft: Group) => void;
}

/** One line a condition, and groups of them. */
export function FilterBuilder({ draft, onChange }: FilterBuilderProps) {
  return <GroupEditor group={draft} path="" onChange={onChange} onRemove={null} />;
}

interface GroupEditorProps {
  group: Group;
  /** Where it is, as it is said: empty, or `2`, or `2.1`. */
  path: string;
  onChange: (group: Group) => void;
  onRemove: (() => void) | null;
}

const matches: readonly (readonly [Match, string])[] = [
  ["all", "all"],
  ["any", "any"],
  ["none", "none"],
];

function GroupEditor({ group, path, onChange, onRemove }: GroupEditorProps) {
  const { rows } = group;
  const isNested = path !== "";
  const depth = isNested ? path.split(".").length + 1 : 1;
  const change = (index: number, node: Node) =>
    onChange({ ...group, rows: rows.map((each, at) => (at === index ? node : each)) });
  const add = (node: Node) => onChange({ ...group, rows: [...rows, node] });
  return (
    <fieldset className={isNested ? "builder builder-group" : "builder"}>
      <legend>
        {isNested ? "who match " : "People who match "}
        <Choice
          label={isNested ? `All, any or none of group ${path}` : "All, any or none"}
          value={group.match}
          choices={matches}
          onChange={(match) => onChange({ ...group, match: match as Match })}
        />
        {" of these"}
        {onRemove !== null && isNested && (
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove group ${path}`}
            onClick={onRemove}
          >
            <Icon name="close" />
          </button>
        )}
      </legend>
      {rows.map((node, index) => (
        <NodeEditor
          key={index}
          node={node}
          path={isNested ? `${path}.${index + 1}` : String(index + 1)}
          onChange={(changed) => change(index, changed)}
          onRemove={
            rows.length === 1 && !isNested
              ? null
              : rows.length === 1
                ? onRemove
                : () => onChange({ ...group, rows: rows.filter((_, at) => at !== index) })
          }
        />
      ))}
      <div className="builder-add">
        <button type="button" className="button button-quiet" onClick={() => add(emptyRow)}>
          <Icon name="plus" />
          Add a condition
        </button>
        {depth < depthLimit && (
          <button
            type="button"
            className="button button-quiet"
            onClick={() => add({ match: "any", rows: [emptyRow] })}
          >
            <Icon name="plus" />
            Add a group
          </button>
        )}
      </div>
    </fieldset>
  );
}

interface NodeEditorProps {
  node: Node;
  path: string;
  onChange: (node: Node) => void;
  onRemove: (() => void) | null;
}

const subjects = [...fieldNames, ["event", "Something happened"]] as const;

function NodeEditor({ node, path, onChange, onRemove }: NodeEditorProps) {
  if (isGroup(node)) {
    return <GroupEditor group={node} path={path} onChange={onChange} onRemove={onRemove} />;
  }
  const label = (what: string) => `${what} of condition ${path}`;
  return (
    <div className="builder-row">
      <Choice
        label={label("Field")}
        value={isEvent(node) ? "event" : node.field}
        choices={subjects}
        onChange={(field) => onChange(field === "event" ? emptyEvent : FieldCondition.first(field))}
      />
      {isEvent(node) ? (
        <EventCondition row={node} label={label} onChange={onChange} />
      ) : (
        <FieldCondition.Editor row={node} label={label} onChange={onChange} />
      )}
      <button
        type="button"
        className="icon-button"
        aria-label={`Remove condition ${path}`}
        disabled={onRemove === null}
        onClick={() => onRemove?.()}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
