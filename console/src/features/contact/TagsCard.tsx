import type { FormEvent } from "react";
import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Contact } from "../../api/types";
import { Icon } from "../../ui/Icon";
import { FailureNote } from "../../ui/states";
import { splitTags } from "../contacts/tags";

interface TagsCardProps {
  contact: Contact;
  onChanged: () => void;
}

export function TagsCard({ contact, onChanged }: TagsCardProps) {
  const [typed, setTyped] = useState("");
  const write = useWrite();
  const path = `/api/contacts/${contact.id}/tags`;
  const add = async (event: FormEvent) => {
    event.preventDefault();
    const tags = splitTags(typed);
    if (tags.length === 0) return;
    if ((await write.run("POST", path, { tags })) === null) return;
    setTyped("");
    onChanged();
  };
  const remove = async (tag: string) => {
    const answer = await write.run("DELETE", `${path}/${encodeURIComponent(tag)}`);
    if (answer !== null) onChanged();
  };
  return (
    <section className="card" aria-labelledby="tags-title">
      <header className="card-head">
        <h2 id="tags-title">Tags</h2>
      </header>
      <div className="card-body">
        {contact.tags.length > 0 && (
          <ul className="tags">
            {contact.tags.map((tag) => (
              <li key={tag} className="tag">
                {tag}
                <button
                  type="button"
                  aria-label={`Remove tag ${tag}`}
                  disabled={write.isBusy}
                  onClick={() => void remove(tag)}
                >
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
        )}
        <form className="tag-add" onSubmit={(event) => void add(event)}>
          <input
            aria-label="Add a tag"
            placeholder="Add a tag"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
          <button type="submit" className="button" disabled={write.isBusy || typed.trim() === ""}>
            Add
          </button>
        </form>
        <FailureNote failure={write.failure} />
      </div>
    </section>
  );
}
