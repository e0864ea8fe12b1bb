CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE collections (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, segment BLOB NOT NULL UNIQUE,
  model_id TEXT NOT NULL, model_version TEXT NOT NULL, dimensions INTEGER NOT NULL, created_ms INTEGER NOT NULL,
  face_count INTEGER NOT NULL, user_count INTEGER NOT NULL, next_seq INTEGER NOT NULL, slot_count INTEGER NOT NULL,
  crc INTEGER NOT NULL) STRICT;
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL REFERENCES collections (id),
  name TEXT NOT NULL, face_count INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (collection, name)) STRICT;
CREATE TABLE faces (
  collection INTEGER NOT NULL REFERENCES collections (id), seq INTEGER NOT NULL,
  face_id BLOB NOT NULL, image_id BLOB NOT NULL, external_image_id TEXT,
  box_left REAL NOT NULL, box_top REAL NOT NULL, box_width REAL NOT NULL, box_height REAL NOT NULL,
  confidence REAL NOT NULL, model_version TEXT NOT NULL, user INTEGER REFERENCES users (id), slot INTEGER NOT NULL,
  crc INTEGER NOT NULL, PRIMARY KEY (collection, seq)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX faces_by_id ON faces (collection, face_id);
CREATE INDEX faces_by_user ON faces (user, seq) WHERE user IS NOT NULL;
CREATE TABLE free_slots (
  collection INTEGER NOT NULL REFERENCES collections (id), slot INTEGER NOT NULL,
  PRIMARY KEY (collection, slot)) STRICT, WITHOUT ROWID;
CREATE TABLE dropped_segments (segment BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
  collection INTEGER NOT NULL REFERENCES collections (id), name TEXT NOT NULL, value TEXT NOT NULL,
  crc INTEGER NOT NULL, PRIMARY KEY (collection, name)) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
  token TEXT PRIMARY KEY, request_hash BLOB NOT NULL, response BLOB NOT NULL, created_ms INTEGER NOT NULL,
  crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_age ON tokens (created_ms);
CREATE TABLE access_keys (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, secret TEXT NOT NULL,
  created_ms INTEGER NOT NULL, revoked INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE key_bindings (
  key TEXT NOT NULL REFERENCES access_keys (id), name TEXT NOT NULL, value TEXT NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (key, name)) STRICT, WITHOUT ROWID;
