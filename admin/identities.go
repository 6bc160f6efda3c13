package admin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// accountsOf fills in who a person is at the connections of their population. Who may
// not link sees what there is.
func (v *visit) accountsOf(page *ui.ConsolePerson, d people.UserDetail) error {
	connections, err := v.console.Store.Connections(v.Request.Context(), d.PopulationID)
	if err != nil {
		return err
	}
	at := v.path("/people/" + d.ID)
	for _, c := range connections {
		row := ui.ElsewhereRow{Connection: c.Name, SwitchedOff: !c.Enabled}
		i := slices.IndexFunc(d.Identities, func(i people.IdentityEntry) bool { return i.ConnectionID == c.ID })
		switch {
		case i >= 0:
			identity := d.Identities[i]
			row.Linked, row.Subject, row.Email = true, subjectParts(c, identity.Subject), identity.Email
			row.LinkedAt, row.LastSeenAt = identity.CreatedAt, identity.LastSeenAt
			if v.canDoTo("UnlinkIdentity", d) {
				row.ChangeURL = at + "/unlink/" + c.ID
			}
		case v.canDoTo("LinkIdentity", d):
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
	return []ui.Setting{part("console.link.tenant_id", tid), part("console.link.object_id", oid)}
}

// linking is a person, and the connection of their population to link them through.
type linking struct {
	people.UserDetail

	through idp.Connection
}

// linkNamed is whom the address names.
func (v *visit) linkNamed() (l linking, err error) {
	if l.UserDetail, err = v.personNamed(); err != nil {
		return l, err
	}
	id := v.Param("object")
	if !identifier.MatchString(id) {
		return l, idp.ErrNotFound
	}
	l.through, err = v.console.Store.Connection(v.Request.Context(), id)
	if err == nil && l.through.PopulationID != l.PopulationID {
		err = idp.ErrNotFound
	}
	return l, err
}

// link is the form of who a person is at a connection.
func link() section[linking, connections.NewIdentity] {
	return section[linking, connections.NewIdentity]{
		thing: "link", early: true,
		load: (*visit).linkNamed, // the operation refuses who may not, and the audit log has it
		pick: func(_ *visit, l linking) settings.Fields[connections.NewIdentity] {
			return connections.IdentityFields(l.through.Kind)
		},
		home:  func(l linking) string { return "/people/" + l.ID + "/connect/" + l.through.ID },
		check: func(*visit, linking, *connections.NewIdentity) settings.Errors { return nil },
		seen: func(l linking) (n connections.NewIdentity, version int64) {
			if len(l.through.Tenants) == 1 {
				n.TenantID = l.through.Tenants[0]
			}
			return n, 0
		},
		frame: func(v *visit, l linking) (page ui.ConsoleForm, err error) {
			page.Console, err = v.personFrame(l.UserDetail, true)
			page.CancelURL, page.Heading = v.path("/people/"+l.ID+signInTab), *ui.Key("console.link.heading").With(displayName(l.UserDetail), l.through.Name)
			return page, err
		},
		more: func(v *visit, l linking, _ connections.NewIdentity, page *ui.ConsoleForm) error {
			page.Name, page.Submit = "console-person-link", *ui.Key("console.link.link").With()
			for _, told := range v.andTold(*ui.Key("console.link.what").With(l.through.Name)) {
				page.Notes = append(page.Notes, ui.Note{Class: "hint", Text: told})
			}
			page.Inputs = append(page.Inputs, v.reasonInput())
			return nil
		},
		add: func(v *visit, l linking, n connections.NewIdentity) error {
			n.UserID, n.ConnectionID, n.Reason = l.ID, l.through.ID, v.PostForm("reason")
			err := v.console.Manage.Connections.LinkIdentity(v.Request.Context(), v.actor, n)
			switch {
			case errors.Is(err, idp.ErrConflict):
				return fmt.Errorf("%w: %w", err, settings.Invalid("", "console.link.taken"))
			case err != nil:
				return err
			}
			return v.done("/people/"+l.ID+signInTab, "console.done.linked")
		},
	}
}

// askLink is the form of who a person is at a connection.
func (v *visit) askLink() error {
	if _, err := v.editable("LinkIdentity"); err != nil {
		return err
	}
	return link().get(v)
}

// identity is the one that an action is about, by its connection.
func (s subject) identity() (people.IdentityEntry, error) {
	return one(s.Identities, func(i people.IdentityEntry) string { return i.ConnectionID }, s.object)
}

var unlinkAction = action{
	tab: signInTab, op: "UnlinkIdentity", object: true, heading: "console.link.unlink_heading", button: "console.link.unlink", danger: true, told: true,
	missing: func(s subject) error {
		_, err := s.identity()
		return err
	},
	says: func(v *visit, s subject) []ui.Message {
		return []ui.Message{*ui.Key("console.link.unlink_what").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.link.unlink_apps").With()}
	},
	dress: func(_ *visit, s subject, page *ui.ConsoleConfirm) {
		identity, _ := s.identity() // it is there
		page.Heading = *ui.Key("console.link.unlink_heading").With(displayName(s.UserDetail), identity.Connection)
	},
	carry: func(v *visit, s subject, reason string) error {
		return v.console.Manage.Connections.UnlinkIdentity(v.Request.Context(), v.actor, s.ID, s.object, reason)
	},
	done: "console.done.unlinked",
}
