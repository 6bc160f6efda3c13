package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

type backupCommand struct {
	storage

	File string `arg:"" help:"New file to write the copy to." type:"path"`
}

// Run copies an SQLite database, while it is in use.
func (c backupCommand) Run(ctx context.Context, t terminal) error {
	st, err := c.openAsIs(ctx)
	if err != nil {
		return err
	}
	err = st.Backup(ctx, c.File)
	if err == nil {
		_, err = fmt.Fprintf(t.out, "%s holds the database; the master keys are to be kept elsewhere\n", c.File)
	}
	return closing(err, st)
}

type restoreCommand struct {
	storage

	File      string `arg:"" help:"The backup." type:"existingfile"`
	KeysLater bool   `help:"Restore it although the master keys do not open all that it holds." name:"keys-later"`
}

// Run puts a backup in the place of an SQLite database.
func (c restoreCommand) Run(ctx context.Context, t terminal) error {
	database, err := c.config().Database()
	if err != nil {
		return err
	}
	path, ok := strings.CutPrefix(database.URL, store.SQLiteScheme)
	if !ok {
		return errors.New("PostgreSQL is restored with its own tools, such as pg_restore")
	}
	aside, err := store.Restore(ctx, c.File, path, c.opens)
	if aside != "" {
		fmt.Fprintf(t.out, "the previous database is now %s\n", aside)
	}
	if err == nil {
		_, err = fmt.Fprintf(t.out, "%s is restored; start gatehouse serve\n", path)
	}
	return err
}

// opens checks that the master keys at hand are those of a database.
func (c restoreCommand) opens(ctx context.Context, st *store.Store) error {
	if c.KeysLater {
		return nil
	}
	ring, err := c.config().Keyring(ctx, st)
	if err != nil {
		return err
	}
	left, err := keys.Check(ctx, st, ring)
	if err == nil && !left.Whole() {
		err = fmt.Errorf("the master keys do not open what the backup holds: %s; put the right keys in place first, or say --keys-later", left)
	}
	return err
}
