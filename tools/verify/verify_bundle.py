#!/usr/bin/env python3
"""Checks an exported book offline. Needs Python 3.9 and the package `cryptography`; shares no code with
what wrote the book.

    verify_bundle.py DIR [--key] VKEY [KEPT_CHECKPOINT ...]

VKEY is the account's verifier key, and each KEPT_CHECKPOINT a file with a checkpoint that you were given
earlier: both must come to you by another road than DIR, or they prove nothing.
Exit code 0: everything holds. 2: something is wrong. 64: usage.
"""
import base64, copy, hashlib, hmac, json, os, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH, UNLISTED = 256, {"manifest", "checkpoint", "checkpoint.tsr"}
SPOKEN = {"subject.erased", "org.history_restored"}  # every bundle opens them
class Wrong(Exception):
    """Why a bundle is not what it should be."""
def require(condition, message):
    if not condition:
        raise Wrong(message)
def b64(text):
    raw = base64.b64decode(text, validate=True)
    require(base64.b64encode(raw).decode() == text, "base64 that is not canonical")
    return raw
def history(origin):
    return int(re.search(r"/i(\d+)/org/", origin)[1])
def number(text):
    require(text.isascii() and text.isdigit() and str(int(text)) == text, "a malformed number")
    return int(text)

# Signed notes (c2sp.org/signed-note) and checkpoints (c2sp.org/tlog-checkpoint).
class Key:
    def __init__(self, vkey):
        fields = vkey.strip().split("+", 2)
        require(len(fields) == 3, "not a verifier key")
        self.name, raw = fields[0], b64(fields[2])
        require(len(raw) == 33 and raw[0] == 1, "not an Ed25519 verifier key")
        self.raw, self.id = raw[1:], hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        require(self.id.hex() == fields[1], "the key id is not the key's")
    def open(self, note):
        """The signed text of a note that this key signed."""
        text, separator, signatures = note.rpartition("\n\n")
        require(separator and signatures.endswith("\n"), "not a signed note")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            fields = line.split(" ")
            require(len(fields) == 3 and fields[0] == "\u2014", "a line that is not a signature")
            signature = b64(fields[2])
            require(len(signature) > 4, "a signature that is too short")
            if fields[1] == self.name and signature[:4] == self.id:
                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature[4:], text.encode())
                return text
        raise Wrong("no signature by this key")
    def of_history(self, note):
        """This key under the name of the history (i1, or i2 after a restore) of the same book that a note is of."""
        name, other, history = note.split("\n")[0], copy.copy(self), r"(.+/)i\d+(/org/\w+)"
        if re.sub(history, r"\1\2", name) == re.sub(history, r"\1\2", self.name):
            other.name, other.id = name, hashlib.sha256(name.encode() + b"\n\1" + self.raw).digest()[:4]
        return other
def checkpoint(text, log=None):
    lines = text.split("\n")
    require(len(lines) == 4 and lines[3] == "" and lines[0] and log in (None, lines[0]), "not a checkpoint of the log")
    root = b64(lines[2])
    require(len(root) == 32, "not a root")
    return lines[0], number(lines[1]), root

# Merkle trees (RFC 6962 section 2.1; checks of proofs: RFC 9162 sections 2.1.3.2 and 2.1.4.2)
def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()
def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()
def root_of(hashes):
    """Level by level: what has no neighbour moves up."""
    while len(hashes) > 1:
        pairs = [node_hash(*hashes[at:at + 2]) for at in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2:]
    return hashes[0] if hashes else hashlib.sha256(b"").digest()
def sides(first, last, proof):
    """The nodes of a proof, each with whether it stands to the left; None where they are too many or too few."""
    found = []
    for node in proof:
        if last == 0:
            return None
        found.append((node, first & 1 or first == last))
        while found[-1][1] and not first & 1 and first:
            first, last = first >> 1, last >> 1
        first, last = first >> 1, last >> 1
    return found if last == 0 else None
def is_included(digest, index, size, proof, root):
    path = sides(index, size - 1, proof) if index < size else None
    for node, is_left in path or []:
        digest = node_hash(node, digest) if is_left else node_hash(digest, node)
    return path is not None and digest == root
def is_consistent(old, old_root, new, new_root, proof):
    if old == new:
        return not proof and old_root == new_root
    if not 0 < old < new or not proof:
        return False
    path = [old_root] + proof if old & (old - 1) == 0 else proof
    first, last, one, two = old - 1, new - 1, path[0], path[0]
    while first & 1:
        first, last = first >> 1, last >> 1
    path = sides(first, last, path[1:])
    for node, is_left in path or []:
        one, two = node_hash(node, one) if is_left else one, node_hash(node, two) if is_left else node_hash(two, node)
    return path is not None and one == old_root and two == new_root
def proof_text(text, header):
    """The head lines, the hashes and the checkpoint of a tlog-proof or an add-checkpoint body."""
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    require(separator and lines[:len(header)] == header, "not a proof")
    hashes = [b64(line) for line in lines[len(header) + 1:]]
    require(all(len(each) == 32 for each in hashes), "a line that is not a hash")
    return lines[len(header)], hashes, note
def tile_path(folder, index, width):
    name = "%03d" % (index % 1000)
    while index >= 1000:
        index //= 1000
        name = "x%03d/%s" % (index % 1000, name)
    return "tile/%s/%s%s" % (folder, name, "" if width == WIDTH else ".p/%d" % width)

class Leaf:
    def __init__(self, raw):
        require(len(raw) > 66 and raw[:5] == b"DAYB\1", "an entry that is not a leaf")
        self.org, self.place = raw[5:21], raw[5:29]
        self.seq, self.time = int.from_bytes(raw[21:29], "big"), int.from_bytes(raw[29:37], "big")
        self.stream, self.version = raw[37:53], int.from_bytes(raw[53:61], "big")
        end = 62 + raw[61]
        require(len(raw) > end + 4 and raw[end + 2:end + 4] == b"\0\0", "a leaf that is cut off or has flags")
        self.type, parts = raw[62:end].decode(), raw[end + 5:]
        require(len(parts) == raw[end + 4] * 49, "a leaf with bytes too many or too few")
        self.parts = [parts[at:at + 49] for at in range(0, len(parts), 49)]
        require(all(part[0] == 1 for part in self.parts), "a part of an unknown kind")
    def opens(self, part, salt, payload):
        message = b"daybook/part/v1\0" + self.place + bytes([part]) + payload
        return len(salt) == 32 and hmac.digest(salt, message, "sha256") == self.parts[part][17:]

class Bundle:
    def __init__(self, folder, key, kept):
        self.folder, self.key, self.kept, self.current = folder, key, kept, "checkpoint"
        self.opened = self.erased = self.withheld = self.proofs = self.older = self.lost = 0
        self.restores = []
    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()
    def names(self):  # A link to a folder counts as a file: who looks into the bundle sees what is behind it.
        return sorted(os.path.relpath(os.path.join(path, name), self.folder) for path, folders, files in
                      os.walk(self.folder) for name in files + [f for f in folders if os.path.islink(os.path.join(path, f))])
    def check(self):
        self.note = self.read("checkpoint").decode()
        self.origin, self.size, self.root = checkpoint(self.key.open(self.note))
        require(self.origin == self.key.name, "is of another log")
        self.check_manifest()
        self.check_book()
        for name in self.names():
            self.current = name
            if name.endswith(".tlog-proof") and name.startswith("proofs/"):
                self.check_proof(name)
            elif name.endswith(".checkpoint"):
                self.check_older(name)
        self.check_instance()
    def check_manifest(self):
        self.current = "manifest"
        lines = self.key.open(self.read("manifest").decode()).split("\n")[:-1]
        require(lines[0] == "daybook.bundle/v1 " + self.origin, "is of another log")
        require(lines[1] == "size %d" % self.size, "is of another head")
        self.scope = lines[2][len("scope "):]
        self.complete = self.scope == "account" and lines[3] == "credentials opened"
        listed = dict(reversed(line.split(" ", 1)) for line in lines[6:])
        for self.current in self.names():
            require(self.current in listed or self.current in UNLISTED, "is not in the manifest")
        for self.current, digest in listed.items():
            require(hashlib.sha256(self.read(self.current)).hexdigest() == digest, "not as in the manifest")
    def check_book(self):
        hashes, versions, time, closed, erased_at = [], {}, 0, [], {}
        for first in range(0, self.size, WIDTH):
            count = min(WIDTH, self.size - first)
            self.current = tile_path("entries", first // WIDTH, count)
            raw, at, leaves = self.read(self.current), 0, []
            while at < len(raw):
                entry = raw[at + 2:at + 2 + int.from_bytes(raw[at:at + 2], "big")]
                leaf, at = Leaf(entry), at + 2 + len(entry)
                hashes.append(leaf_hash(entry))
                require(leaf.seq == len(hashes) - 1 and leaf.time >= time, "a leaf at another's place")
                require(leaf.org.hex() == self.origin.rsplit("/", 1)[1], "a leaf of another account")
                require(leaf.version == versions.get(leaf.stream, 0) + 1, "a stream has a gap")
                versions[leaf.stream], time = leaf.version, leaf.time
                leaves.append(leaf)
                if leaf.type == "subject.erasure_requested":  # the key goes before the event that names it
                    key = hashlib.sha256(b"daybook/key-id/v1\0" + leaf.org + leaf.stream + bytes(4)).digest()
                    erased_at[key[:16]] = self.size
            require(len(leaves) == count, "has %d leaves, not %d" % (len(leaves), count))
            closed += self.check_openings(first, leaves, erased_at)
        self.current = "tile/entries"
        require(root_of(hashes) == self.root, "the leaves have another root than was signed")
        self.check_tiles(0, hashes)
        self.check_restores(hashes)
        for seq, part, key in closed:
            is_erased = erased_at.get(key, -1) > seq
            self.erased, self.withheld = self.erased + is_erased, self.withheld + (not is_erased)
            require(is_erased or not self.complete, "event %d, part %d is withheld" % (seq, part))
        for origin, size, root in self.kept:
            self.current = "kept checkpoint of %d events" % size
            require(self.key.of_history(origin).name == origin and size <= self.size and root_of(hashes[:size]) == root,
                    "this book does not go on from it")
    def check_openings(self, first, leaves, erased_at):
        self.current = "openings/%03d.jsonl" % (first // WIDTH)
        seen = set()
        for line in self.read(self.current).decode().split("\n")[:-1]:
            each = json.loads(line)
            seq, part, payload = each["seq"], each["part"], b64(each["payload"])
            leaf = leaves[seq - first] if first <= seq < first + len(leaves) else None
            require(leaf and 0 <= part < len(leaf.parts) and (seq, part) not in seen, "an opening of no part")
            fits = leaf.opens(part, b64(each["salt"]), payload)
            require(fits, "event %d, part %d is not what was committed to" % (seq, part))
            seen.add((seq, part))
            if leaf.type == "subject.erased":
                for key in json.loads(payload).get("key_ids", []):
                    erased_at[bytes.fromhex(key)] = seq
            if leaf.type == "org.history_restored" and part == 0:
                self.restores.append((seq, json.loads(payload)))
        self.opened += len(seen)
        for leaf in leaves:
            require(leaf.type not in SPOKEN or (leaf.seq, 0) in seen, "%s that is not opened" % leaf.type)
        return [(leaf.seq, part, raw[1:17]) for leaf in leaves
                for part, raw in enumerate(leaf.parts) if (leaf.seq, part) not in seen]
    def check_restores(self, hashes):
        """Each history of the book goes on from the checkpoint of an earlier one that its first event quotes."""
        before = 1
        for seq, fields in self.restores:
            self.current, number = "event %d" % seq, fields["incarnation"]
            require(before < number <= history(self.origin), "a history that is not the next one")
            before = number
            if fields.get("last_checkpoint"):
                origin, size, root = checkpoint(fields["last_checkpoint"])
                require(self.key.of_history(origin).name == origin and history(origin) < number, "quotes another book")
                require(size > seq or root_of(hashes[:size]) == root, "the book does not go on from what it quotes")
                self.lost += max(size - seq, 0)
    def check_tiles(self, level, hashes):
        """The hash tiles that are there hold what the entries hash to."""
        tiles = [hashes[start:start + WIDTH] for start in range(0, len(hashes), WIDTH)]
        for index, tile in enumerate(tiles):
            self.current = tile_path(level, index, len(tile))
            if os.path.exists(os.path.join(self.folder, self.current)):
                require(self.read(self.current) == b"".join(tile), "is not what the entries hash to")
        if tiles:
            self.check_tiles(level + 1, [root_of(tile) for tile in tiles if len(tile) == WIDTH])
    def check_proof(self, name):
        line, path, note = proof_text(self.read(name).decode(), ["c2sp.org/tlog-proof@v1"])
        require(line.startswith("index "), "has no index")
        index, (_, size, root) = number(line[6:]), checkpoint(self.key.open(note), self.key.name)
        raw = self.read("proofs/%d.leaf" % index)
        require(name == "proofs/%d.tlog-proof" % index and Leaf(raw).seq == index, "is of another event")
        require(is_included(leaf_hash(raw), index, size, path, root), "does not prove its leaf")
        self.proofs += 1
    def check_older(self, name):
        origin, size, root = checkpoint(self.key.open(self.read(name).decode()))
        self.current = "since/%d.extend" % size
        line, path, note = proof_text(self.read(self.current).decode(), [])
        require(line == "old %d" % size and origin == self.origin and name == "since/%d.checkpoint" % size
                and checkpoint(self.key.open(note)) == (self.origin, self.size, self.root), "is of other heads")
        require(is_consistent(size, root, self.size, self.root, path), "the head does not go on from it")
        self.older += 1
    def check_instance(self):
        self.current = "policy"
        lines = [line.split() for line in self.read("policy").decode().split("\n")]
        logs = [Key(line[1]) for line in lines if line[:1] == ["log"]]
        require([(key.name, key.raw) for key in logs[:1]] == [(self.key.name, self.key.raw)], "another key")
        instance = logs[1]
        require(instance.raw == self.key.raw
                and instance.name == self.origin.split("/org/")[0] + "/instance", "names another instance log")
        self.current = "instance.tlog-proof"
        line, path, note = proof_text(self.read(self.current).decode(), ["c2sp.org/tlog-proof@v1"])
        _, size, root = checkpoint(instance.open(note), instance.name)
        entry = self.key.open(self.note).encode()
        require(is_included(leaf_hash(entry), number(line[6:]), size, path, root), "does not prove the head")

def main(arguments):
    arguments = [word for word in arguments if word != "--key"]  # as `daybook verify bundle` has it
    if len(arguments) < 2:
        print(__doc__)
        return 64
    bundle = None
    try:
        key, notes = Key(arguments[1]), [open(path).read() for path in arguments[2:]]
        kept = [checkpoint(key.of_history(note).open(note)) for note in notes]
        bundle = Bundle(arguments[0], key, kept)
        bundle.check()
    except (Wrong, InvalidSignature, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        print("WRONG: %s: %s" % (getattr(bundle, "current", "arguments"), str(error) or "a wrong signature"))
        return 2
    print("sound: %s, %d events, scope %s" % (bundle.origin, bundle.size, bundle.scope))
    print("  %d parts opened, %d erased, %d withheld; %d proofs, %d older heads; %d restores, %d events known to be lost"
          % (bundle.opened, bundle.erased, bundle.withheld, bundle.proofs, bundle.older, len(bundle.restores), bundle.lost))
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
