package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// accountsOf fills in who a person is at the connections of their population. Who may
// not link sees what there is.
func (v *visit) accountsOf(page *ui.ConsolePerson, d manage.UserDetail) error {
	connections, err := v.console.Store.Connections(v.Request.Context(), d.PopulationID)
	if err != nil {
		return err
	}
	at := v.path("/people/" + d.ID)
	for _, c := range connections {
		row := ui.ElsewhereRow{Connection: c.Name, SwitchedOff: !c.Enabled}
		i := slices.IndexFunc(d.Identities, func(i manage.IdentityEntry) bool { return i.ConnectionID == c.ID })
		switch {
		case i >= 0:
			identity := d.Identities[i]
			row.Linked, row.Subject, row.Email = true, subjectParts(c, identity.Subject), identity.Email
			row.LinkedAt, row.LastSeenAt = identity.CreatedAt, identity.LastSeenAt
			if v.reaches("UnlinkIdentity", d) {
				row.ChangeURL = at + "/unlink/" + c.ID
			}
		case v.reaches("LinkIdentity", d):
			row.ChangeURL = at + "/connect/" + c.ID
		default:
			continue
		}
		page.Accounts = append(page.Accounts, row)
	}
	return nil
}

// subjectParts are what a subject is made of.
func subjectParts(c idp.Connection, subject string) []ui.Setting {
	part := func(label ui.Key, value string) ui.Setting {
		return ui.Setting{Label: *label.With(), Values: []string{value}}
	}
	if c.Kind != idp.EntraConnection {
		return []ui.Setting{part("console.link.subject", strings.TrimPrefix(subject, idp.OIDCSubject(c.Issuer, "")))}
	}
	tid, oid, _ := strings.Cut(subject, "/")
	return []ui.Setting{part("console.link.tenant", tid), part("console.link.object", oid)}
}

// linkable is whom the address names, and the connection of their population to link
// them through.
func (v *visit) linkable() (manage.UserDetail, idp.Connection, error) {
	d, err := v.editable("LinkIdentity")
	if err != nil {
		return d, idp.Connection{}, err
	}
	id := v.Param("object")
	if !identifier.MatchString(id) {
		return d, idp.Connection{}, idp.ErrNotFound
	}
	c, err := v.console.Store.Connection(v.Request.Context(), id)
	if err == nil && c.PopulationID != d.PopulationID {
		err = idp.ErrNotFound
	}
	return d, c, err
}

// askLink is the form of who a person is at a connection.
func (v *visit) askLink() error {
	d, c, err := v.linkable()
	if err != nil {
		return err
	}
	if !v.fresh() { // better now than after the form
		return v.askFresh("/people/" + d.ID + "/connect/" + c.ID)
	}
	n := manage.NewIdentity{}
	if len(c.Tenants) == 1 {
		n.TenantID = c.Tenants[0]
	}
	return v.renderLink(http.StatusOK, d, c, n, nil)
}

func (v *visit) renderLink(status int, d manage.UserDetail, c idp.Connection, n manage.NewIdentity, wrong error) error {
	frame, err := v.personFrame(d, true)
	if err != nil {
		return err
	}
	at := v.path("/people/" + d.ID)
	page := ui.ConsolePersonLink{
		Console: frame, Action: at + "/connect/" + c.ID, CancelURL: at, PersonName: calls(d), ConnectionName: c.Name,
		Entra: c.Kind == idp.EntraConnection, TenantID: n.TenantID, ObjectID: n.ObjectID, Subject: n.Subject,
		Told: v.console.Manage.Mailer != nil, Reason: n.Reason,
	}
	var field *manage.FieldError
	switch {
	case errors.Is(wrong, idp.ErrConflict):
		page.Alert = ui.Key("console.link.taken").With()
	case !errors.As(wrong, &field):
	case field.Field == "reason":
		page.Errors = map[string]*ui.Message{"reason": v.reasonMessage(field)}
	case slices.Contains([]string{"tenant_id", "object_id", "subject"}, field.Field):
		page.Errors = map[string]*ui.Message{field.Field: fieldMessage(field)}
	default:
		page.Alert = fieldMessage(field)
	}
	return v.render(status, page)
}

// postLink links a person. Whether it may be is the operation's to say, so that a
// refusal is in the audit log.
func (v *visit) postLink() error {
	n := manage.NewIdentity{
		UserID: v.Param("id"), ConnectionID: v.Param("object"), TenantID: v.PostForm("tenant_id"), ObjectID: v.PostForm("object_id"),
		Subject: v.PostForm("subject"), Reason: v.PostForm("reason"),
	}
	err := v.console.Manage.LinkIdentity(v.Request.Context(), v.actor, n)
	switch {
	case err == nil:
		return v.done("/people/"+n.UserID, "console.done.linked")
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/people/" + n.UserID + "/connect/" + n.ConnectionID)
	case !errors.Is(err, idp.ErrInvalid) && !errors.Is(err, idp.ErrConflict):
		return err
	}
	d, c, found := v.linkable()
	if found != nil {
		return found
	}
	status := http.StatusUnprocessableEntity
	if errors.Is(err, idp.ErrConflict) {
		status = http.StatusConflict
	}
	return v.renderLink(status, d, c, n, err)
}

// identity is the one that a deed is about, by its connection.
func (s subject) identity() (manage.IdentityEntry, error) {
	for _, i := range s.Identities {
		if i.ConnectionID == s.object {
			return i, nil
		}
	}
	return manage.IdentityEntry{}, idp.ErrNotFound
}

func unlinkDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool { return v.reaches("UnlinkIdentity", s.UserDetail) },
		there: func(s subject) error {
			_, err := s.identity()
			return err
		},
		words: func(v *visit, s subject) deedWords {
			identity, _ := s.identity() // it is there
			w := words("console.link.unlink_heading", "console.link.unlink", true, s, v.andTold(*ui.Key("console.link.unlink_what").With(),
				v.sessionsEnd(s.UserDetail), *ui.Key("console.link.unlink_apps").With())...)
			w.heading = *ui.Key("console.link.unlink_heading").With(calls(s.UserDetail), identity.Connection)
			return w
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.UnlinkIdentity(v.Request.Context(), v.actor, s.ID, s.object, reason)
			return v.saying(s.page(), "console.done.unlinked"), err
		},
	}
}
