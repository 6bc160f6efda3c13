package web

import (
	"errors"

	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// Wrong is what an error says about fields, none where it is about something else.
func Wrong(err error) (wrong settings.Errors) {
	errors.As(err, &wrong)
	return wrong
}

// Said is an error about a field as a page says it.
func Said(e settings.Error) *ui.Message { return ui.Key(e.Key).With(e.Args...) }

// SaidAt is what an error says about a field, nil for nothing.
func SaidAt(err error, field string) *ui.Message {
	if e := Wrong(err).Of(field); e != nil {
		return Said(*e)
	}
	return nil
}
