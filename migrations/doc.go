// Package migrations holds the schema as SQL that SQLite and PostgreSQL read
// alike. It owns nothing else: the store runs it.
//
// Rules that keep one set portable: TEXT, BIGINT, BYTEA, BOOLEAN and timestamp
// only; ids and defaults are made by the program; constraints stand in CREATE
// TABLE and are never added later; search keys are folded BYTEA.
package migrations

import "embed"

// Files are the migrations, in goose's format.
//
//go:embed *.sql
var Files embed.FS
