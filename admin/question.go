package admin

import (
	"errors"
	"fmt"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/ui"
)

// question is a page that says what something sensitive does to an O, and asks for a
// reason before it is done.
type question[O any] struct {
	// load is what the URL names.
	load func(v *visit) (O, error)
	// allowed tells whether it is open to the viewer, nil where load does.
	allowed func(v *visit, o O) bool
	// missing is why there is nothing to be done, nil for always something.
	missing func(o O) error
	// at is the page's path, and home the one to go back to.
	at, home func(o O) string
	page     func(v *visit, o O) (ui.ConsoleConfirm, error)
	// version is the one that the viewer sees, nil where there is none.
	version func(o O) int64
	// carry it out, and say how to answer. Whether it may be is the operation's to say, so
	// that a refusal is in the audit log.
	carry func(v *visit, o O, reason string) (answer func() error, err error)
	// refused shows why it was not, nil to ask again of what is there now. Has to be there
	// where missing is.
	refused func(v *visit, err error) error
}

// get asks.
func (x question[O]) get(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	if !x.open(v, o) {
		return authz.ErrForbidden
	}
	if x.missing != nil {
		if err := x.missing(o); err != nil {
			return x.refused(v, err)
		}
	}
	if !v.fresh() { // better now than after the reason
		return v.askFresh(x.at(o))
	}
	return x.show(v, http.StatusOK, o, nil)
}

func (x question[O]) open(v *visit, o O) bool { return x.allowed == nil || x.allowed(v, o) }

// show asks, with what is wrong about the last answer.
func (x question[O]) show(v *visit, status int, o O, wrong error) error {
	page, err := x.page(v, o)
	if err != nil {
		return err
	}
	page.Action, page.CancelURL, page.Reason = v.path(x.at(o)), v.path(x.home(o)), v.PostForm("reason")
	fields := map[string]**ui.Message{"reason": &page.ReasonError}
	if page.Apply.Name != "" {
		fields[page.Apply.Name] = &page.Apply.Error
	}
	placeError(wrong, fields, &page.Alert)
	if x.version != nil {
		version := x.version(o)
		if errors.Is(wrong, idp.ErrInvalid) {
			version = v.seenVersion()
		} else if errors.Is(wrong, idp.ErrConflict) {
			page.Alert = ui.Key("error.stale").With()
		}
		page.FormFields = append(page.FormFields, versionField(version))
	}
	return v.render(status, page)
}

// post carries it out.
func (x question[O]) post(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	open := x.open(v, o)
	if open && !v.fresh() {
		return v.askFresh(x.at(o))
	}
	answer, err := x.carry(v, o, v.PostForm("reason"))
	switch {
	case err == nil:
		return answer()
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh(x.at(o))
	case errors.Is(err, idp.ErrInvalid) && !open:
		return fmt.Errorf("%w: %w", authz.ErrForbidden, err)
	case errors.Is(err, idp.ErrInvalid) && (x.missing == nil || x.missing(o) == nil):
		return x.show(v, http.StatusUnprocessableEntity, o, err)
	case x.refused != nil:
		return x.refused(v, err)
	case x.version != nil && errors.Is(err, idp.ErrConflict):
		return x.show(v, http.StatusConflict, o, err)
	}
	return err
}

// saying goes to a page and says there what was done.
func (v *visit) saying(page string, what ui.Key) func() error {
	return func() error { return v.done(page, what) }
}

// says are sentences without arguments.
func says(keys ...ui.Key) (list []ui.Message) {
	for _, k := range keys {
		list = append(list, *k.With())
	}
	return list
}
