// Package migrations holds the schema as SQL that SQLite and PostgreSQL read
// alike. It owns nothing else: the store runs it.
//
// Rules that keep one set portable: TEXT, BIGINT, BYTEA, BOOLEAN and timestamp
// only; ids and defaults are made by the program; constraints stand in CREATE
// TABLE and are never added later; search keys are folded BYTEA.
//
// A migration that takes something away on which an older program relies inserts its
// number into schema_needs, and deletes that row on its way down: older programs then
// refuse to start. No other migration does.
package migrations

import "embed"

// Files are the migrations, in goose's format.
//
//go:embed *.sql
var Files embed.FS
