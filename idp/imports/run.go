package imports

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/settings"
)

// Import is one import of a file.
type Import struct {
	Manage *manage.Manager
	Actor  authz.Actor
	// Open opens the file from its beginning; it may be asked for more than once.
	Open func() (io.ReadCloser, error)
	// Format and Population are those of NewReader.
	Format     Format
	Population string
	// From is the first line that counts: those before it are read and left alone.
	From int
	// DryRun does everything and takes it back. AllOrNothing takes everything back
	// when one line fails.
	DryRun, AllOrNothing bool
	Reason               string
	// Tell is told about every line once it stands, in their order.
	Tell func(Outcome)
}

// Outcome is what became of a line: Err is nil for a person who was added, idp.ErrConflict
// where the population has the address already, and that person was left as they are; else
// it says what is wrong.
type Outcome struct {
	Line  int
	Email string // masked
	Err   error
}

// Existed tells whether the person was there before.
func (o Outcome) Existed() bool { return errors.Is(o.Err, idp.ErrConflict) }

// Summary counts the lines by their outcome. Last is the last that was looked at.
type Summary struct{ Added, Existed, Failed, Last int }

// ErrNothing: a line failed, and nothing was imported, as was asked.
var ErrNothing = errors.New("nothing was imported, since not everything could be")

// errTakeBack ends the transaction of a dry run.
var errTakeBack = errors.New("taken back")

// batch is how many people are added in one transaction.
const batch = 200

// Run imports the file. People who exist already are left alone, so that an import
// that was stopped is run again. An error is about the file or the database: Summary
// then says how far it came.
func (i Import) Run(ctx context.Context) (Summary, error) {
	if i.AllOrNothing {
		return i.whole(ctx)
	}
	var total Summary
	in, err := i.begin()
	if err != nil {
		return total, err
	}
	defer in.close()
	for {
		records, outcomes, end := in.take(batch)
		if end != nil && !errors.Is(end, io.EOF) {
			return total, end
		}
		if err := i.add(ctx, records, outcomes); err != nil {
			return total, err
		}
		total = i.tell(total, outcomes)
		if end != nil {
			return total, nil
		}
	}
}

// source is a file that is being read, with the addresses that it had so far.
type source struct {
	*Reader
	file io.Closer
	from int
	seen map[[16]byte]int
}

func (i Import) begin() (*source, error) {
	file, err := i.Open()
	if err != nil {
		return nil, err
	}
	r, err := NewReader(file, i.Format, i.Population)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &source{Reader: r, file: file, from: i.From, seen: map[[16]byte]int{}}, nil
}

func (s *source) close() { _ = s.file.Close() } // nothing was written

// take reads up to n lines: an outcome of each, and of those that can be tried the
// record, nil of the others. The error is io.EOF at the end.
func (s *source) take(n int) (records []*Record, outcomes []Outcome, err error) {
	for len(outcomes) < n {
		r, err := s.Next()
		var wrong *LineError
		if err != nil && !errors.As(err, &wrong) {
			return records, outcomes, err
		}
		if wrong != nil {
			r.Line = wrong.Line
		}
		if r.Line < s.from {
			continue
		}
		outcome, try := Outcome{Line: r.Line, Email: idp.MaskEmail(r.Email), Err: err}, &r
		if err == nil {
			outcome.Err = s.twice(r)
		}
		if outcome.Err != nil {
			try = nil
		}
		records, outcomes = append(records, try), append(outcomes, outcome)
	}
	return records, outcomes, nil
}

// twice refuses an address that the file had before.
func (s *source) twice(r Record) error {
	sum := sha256.Sum256(append([]byte(r.Population+"\x00"), idp.EmailKey(r.Email)...))
	key := [16]byte(sum[:16])
	if before, ok := s.seen[key]; ok {
		return wrongLine(r.Line, "email", "settings.import.twice", before)
	}
	s.seen[key] = r.Line
	return nil
}

// add tries records in one transaction. Where the database itself refuses, each gets
// one of its own, so that one does not stop the others.
func (i Import) add(ctx context.Context, records []*Record, outcomes []Outcome) error {
	before := append([]Outcome(nil), outcomes...)
	err := i.once(ctx, records, outcomes)
	if err == nil || ctx.Err() != nil {
		return err
	}
	copy(outcomes, before)
	for n := range records {
		if err := i.once(ctx, records[n:n+1], outcomes[n:n+1]); err != nil {
			return fmt.Errorf("line %d: %w", outcomes[n].Line, err)
		}
	}
	return nil
}

// once tries records in one transaction, or takes that back in a dry run.
func (i Import) once(ctx context.Context, records []*Record, outcomes []Outcome) error {
	before := append([]Outcome(nil), outcomes...)
	err := i.Manage.Store.Do(ctx, func(ctx context.Context) error {
		copy(outcomes, before) // a transaction may run again
		if err := i.try(ctx, records, outcomes); err != nil || !i.DryRun {
			return err
		}
		return errTakeBack
	})
	if errors.Is(err, errTakeBack) {
		return nil
	}
	return err
}

// try adds records, and notes what is wrong with those that cannot be. An error is
// the database's.
func (i Import) try(ctx context.Context, records []*Record, outcomes []Outcome) error {
	for n, r := range records {
		if r == nil {
			continue
		}
		_, err := i.Manage.Connections.ImportUser(ctx, i.Actor, r.ImportedUser, i.Reason)
		var wrong settings.Errors
		switch {
		case errors.As(err, &wrong):
			err = &LineError{Line: r.Line, Wrong: wrong}
		case err != nil && !errors.Is(err, idp.ErrConflict):
			return err
		}
		outcomes[n].Err = err
	}
	return nil
}

// whole imports the file in one transaction.
func (i Import) whole(ctx context.Context) (Summary, error) {
	var total Summary
	var all []Outcome
	err := i.Manage.Store.Do(ctx, func(ctx context.Context) error {
		all, total = nil, Summary{}
		in, err := i.begin()
		if err != nil {
			return err
		}
		defer in.close()
		for end := error(nil); end == nil; {
			var records []*Record
			var outcomes []Outcome
			if records, outcomes, end = in.take(batch); end != nil && !errors.Is(end, io.EOF) {
				return end
			}
			if err := i.try(ctx, records, outcomes); err != nil {
				return err
			}
			total = total.with(outcomes)
			all = append(all, outcomes...)
		}
		switch {
		case total.Failed > 0:
			return ErrNothing
		case i.DryRun:
			return errTakeBack
		}
		return nil
	})
	if err == nil || errors.Is(err, ErrNothing) || errors.Is(err, errTakeBack) {
		i.tell(Summary{}, all)
	}
	switch {
	case errors.Is(err, errTakeBack):
		err = nil
	case errors.Is(err, ErrNothing):
		total.Added = 0
	}
	return total, err
}

// tell passes outcomes on, and counts them.
func (i Import) tell(total Summary, outcomes []Outcome) Summary {
	for _, o := range outcomes {
		if i.Tell != nil {
			i.Tell(o)
		}
	}
	return total.with(outcomes)
}

func (s Summary) with(outcomes []Outcome) Summary {
	for _, o := range outcomes {
		switch {
		case o.Err == nil:
			s.Added++
		case o.Existed():
			s.Existed++
		default:
			s.Failed++
		}
		s.Last = o.Line
	}
	return s
}
