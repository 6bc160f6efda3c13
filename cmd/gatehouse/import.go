package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/idp/imports"
	"gatehouse/idp/manage/authz"
)

type importCommand struct {
	Users importUsers `cmd:"" help:"Add people from a file, CSV or JSON lines, with their password hashes and authenticators (docs/import.md)."`
}

type importUsers struct {
	storage

	File         string `arg:"" help:"The file. Its name says what it is: .csv, or .jsonl, .ndjson or .json for JSON lines." type:"existingfile"`
	Format       string `help:"csv or jsonl, whatever the file's name is." enum:"auto,csv,jsonl" default:"auto"`
	Population   string `help:"Population of people of whom the file does not say it." default:"contacts"`
	DryRun       bool   `help:"Do everything and take it back; say of every line what became of it." name:"dry-run"`
	AllOrNothing bool   `help:"Import nothing when one line fails. Without it, all the others are imported." name:"all-or-nothing"`
	From         int    `help:"First line that counts, to go on behind what is done." default:"1"`
	Reason       string `help:"Why; it goes to the audit log." default:"import"`
}

// Run imports a file and prints a line for everything that did not become a new
// person; in a dry run for everything.
func (c importUsers) Run(ctx context.Context) error {
	format, err := c.format()
	if err != nil {
		return err
	}
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	i := imports.Import{
		Manage: m, Actor: authz.System(), Format: format, Population: c.Population, From: c.From,
		DryRun: c.DryRun, AllOrNothing: c.AllOrNothing, Reason: c.Reason,
		Open: func() (io.ReadCloser, error) { return os.Open(c.File) },
		Tell: func(o imports.Outcome) { c.say(os.Stdout, o) },
	}
	sum, err := i.Run(ctx)
	return closing(c.conclude(os.Stdout, sum, err), st)
}

func (c importUsers) format() (imports.Format, error) {
	if c.Format != "auto" {
		return imports.Format(c.Format), nil
	}
	switch strings.ToLower(filepath.Ext(c.File)) {
	case ".csv":
		return imports.CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return imports.JSONLines, nil
	}
	return "", fmt.Errorf("%s: say --format csv or --format jsonl", c.File)
}

// say prints what became of a line.
func (c importUsers) say(out io.Writer, o imports.Outcome) {
	switch {
	case o.Existed():
		fmt.Fprintf(out, "line %d: %s exists already, and stays as it is\n", o.Line, o.Email)
	case o.Err != nil:
		fmt.Fprintln(out, inEnglish(o.Err))
	case c.DryRun:
		fmt.Fprintf(out, "line %d: %s can be added\n", o.Line, o.Email)
	}
}

// conclude prints the sum, and what to do about what failed.
func (c importUsers) conclude(out io.Writer, sum imports.Summary, err error) error {
	what := "added"
	if c.DryRun {
		what = "can be added"
	}
	if err == nil || errors.Is(err, imports.ErrNothing) {
		fmt.Fprintf(out, "%d %s, %d existed already, %d failed\n", sum.Added, what, sum.Existed, sum.Failed)
	}
	switch {
	case err != nil && !errors.Is(err, imports.ErrNothing) && sum.Last > 0:
		return fmt.Errorf("%w; everything up to line %d is done: run the same again, or with --from %d", err, sum.Last, sum.Last+1)
	case err != nil:
		return err
	case sum.Failed > 0:
		return errors.New("some lines failed: mend them and run the same again, people who exist stay as they are")
	}
	return nil
}
