package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"gatehouse/idp"
)

// StreamTimeout is how long the reader of an answer that may be of any length may take
// for the next piece of it.
const StreamTimeout = 30 * time.Second

// Stream writes an answer of any length. The limit on the time of an answer as a whole
// gives way to one for each write, so that a long export comes to its end and a reader
// who has gone to sleep still holds nothing for longer than patience.
func Stream(w http.ResponseWriter, patience time.Duration) io.Writer {
	return &stream{to: w, control: http.NewResponseController(w), patience: patience}
}

type stream struct {
	to       io.Writer
	control  *http.ResponseController
	patience time.Duration
	renewAt  time.Time
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	if now := idp.Now(); !now.Before(s.renewAt) {
		if err := s.control.SetWriteDeadline(now.Add(s.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
		s.renewAt = now.Add(s.patience / 4)
	}
	return s.to.Write(p)
}

// Whole writes an answer of any length, row by row: begin sets its headers and is called
// before the first row, or at the end where there is none. When the rows break off, so
// does the connection: half an export must not look whole.
func Whole(w http.ResponseWriter, begin func(), rows func(row func()) error) error {
	begun := false
	row := func() {
		if !begun {
			begun = true
			begin()
		}
	}
	err := rows(row)
	if err != nil && begun {
		panic(http.ErrAbortHandler)
	}
	if err == nil && !begun {
		row()
		w.WriteHeader(http.StatusOK)
	}
	return err
}
