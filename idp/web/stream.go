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

// Whole writes an answer of any length, as a file of a name where it has one. Its headers
// are set with the first row, or at the end where there is none. When the rows break off,
// so does the connection: half an export must not look whole.
func Whole(w http.ResponseWriter, kind, file string, rows func(w io.Writer) error) error {
	out := &whole{to: Stream(w, StreamTimeout), header: w.Header(), kind: kind, file: file}
	err := rows(out)
	if err != nil && out.begun {
		panic(http.ErrAbortHandler)
	}
	if err == nil && !out.begun {
		out.begin()
		w.WriteHeader(http.StatusOK)
	}
	return err
}

type whole struct {
	to         io.Writer
	header     http.Header
	kind, file string
	begun      bool
}

func (w *whole) begin() {
	w.begun = true
	w.header.Set("Content-Type", w.kind)
	w.header.Set("Cache-Control", "no-store")
	if w.file != "" {
		w.header.Set("Content-Disposition", `attachment; filename="`+w.file+`"`)
	}
}

// Write implements io.Writer.
func (w *whole) Write(p []byte) (int, error) {
	if !w.begun {
		w.begin()
	}
	return w.to.Write(p)
}
