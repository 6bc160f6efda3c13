package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gatehouse/idp"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// Problem is an error that a person gets to see as a page. The page's text comes
// from its kind; the cause goes to the log only.
type Problem struct {
	Kind ui.ProblemKind
	// Frame carries the brand and the app, where they are known.
	Frame ui.Frame
	// BackURL is the way out, with its label.
	BackURL   string
	BackLabel ui.Message
	Cause     error
}

// NewProblem makes a problem of a kind.
func NewProblem(kind ui.ProblemKind, cause error) *Problem { return &Problem{Kind: kind, Cause: cause} }

// BadForm is the problem of a form that cannot be read: too large, or no sense in it.
func BadForm(err error) *Problem {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return NewProblem(ui.ProblemTooLarge, err)
	}
	return NewProblem(ui.ProblemBadRequest, err)
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Cause == nil {
		return string(p.Kind)
	}
	return string(p.Kind) + ": " + p.Cause.Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// BackTo sets the way out: an app, by its name.
func (p *Problem) BackTo(url, app string) *Problem {
	if url != "" {
		p.BackURL, p.BackLabel = url, *ui.MsgBackTo.With(app)
	}
	return p
}

// asProblem finds the problem in an error; what has none is our fault. A database that
// does not serve us is what is wrong, whatever was made of that.
func asProblem(err error) *Problem {
	var p *Problem
	found := errors.As(err, &p)
	if errors.Is(err, idp.ErrUnavailable) || !found && errors.Is(err, context.DeadlineExceeded) {
		away := NewProblem(ui.ProblemUnavailable, err)
		if found {
			away.Frame, away.BackURL, away.BackLabel = p.Frame, p.BackURL, p.BackLabel
		}
		return away
	}
	if found {
		return p
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return NewProblem(ui.ProblemTooLarge, err)
	}
	if errors.Is(err, idp.ErrUnreadable) {
		return NewProblem(ui.ProblemUnreadable, err)
	}
	if errors.Is(err, idp.ErrBusy) {
		return NewProblem(ui.ProblemBusy, err)
	}
	return NewProblem(ui.ProblemServer, err)
}

// CodeProblem is what is wrong with six digits before they are compared: what cannot be a
// code is no guess, and is not counted as one.
func CodeProblem(input string) *ui.Message {
	if strings.TrimSpace(input) == "" {
		return ui.MsgCodeMissing.With()
	}
	_, err := mfa.CodeDigits(input)
	switch {
	case errors.Is(err, mfa.ErrTwoCodes):
		return ui.MsgCodeTwo.With()
	case err != nil:
		return ui.MsgCodeFormat.With()
	}
	return nil
}
