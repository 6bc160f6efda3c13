// Package store keeps everything in SQLite or PostgreSQL through GORM. It owns rows, their
// mapping to the vocabulary, transactions and migrations; it decides nothing. Each file is
// one aggregate: its row, its mapping, its queries.
//
// Reads return idp.ErrNotFound where there is no row. What may happen once is a
// conditional UPDATE or INSERT whose affected rows decide, and returns idp.ErrUsed or
// idp.ErrConflict to the second caller.
package store
