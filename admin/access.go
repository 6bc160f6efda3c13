package admin

import (
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// endsSoon is how long before its end a certificate is pointed out.
const endsSoon = 30 * 24 * time.Hour

// wayIn is how people sign in as the form has it: by password, through a connection, or
// both.
type wayIn struct{ Way string }

// The values of the choice.
const (
	byPassword   = "password"
	byConnection = "federated"
	byBoth       = "both"
)

// wayOf is the choice that stands for a setting.
func wayOf(a idp.Access) string {
	switch {
	case a.Password && a.Federated:
		return byBoth
	case a.Federated:
		return byConnection
	}
	return byPassword
}

func (w wayIn) access() idp.Access {
	return idp.Access{Password: w.Way != byConnection, Federated: w.Way != byPassword}
}

// access is how people of a population sign in, with its connections.
func access() section[populations.PopulationEntry, wayIn] {
	type entry = populations.PopulationEntry
	fields := settings.Fields[wayIn]{
		settings.Choice("access", func(w *wayIn) *string { return &w.Way }, byPassword, byConnection, byBoth).Must("console.access.choose"),
	}
	x := populationSection("access", "SaveAccess", fields, func(p idp.Population) wayIn { return wayIn{wayOf(p.Access)} })
	x.confirmAt = func(e entry) string { return x.home(e) + "/confirm" }
	x.more = func(_ *visit, _ entry, _ wayIn, page *ui.ConsoleForm) error {
		page.Submit = *ui.Key("console.access.next").With()
		return nil
	}
	x.render = func(v *visit, status int, e entry, form ui.ConsoleForm) (err error) {
		page := ui.ConsoleAccess{ConsoleForm: form}
		if v.actor.CanDo("AddConnection") {
			page.AddURL = v.path("/authentication/" + e.ID + "/connections/new")
		}
		if page.Connections, err = v.connectionRows(e.ID); err != nil {
			return err
		}
		return v.render(status, page)
	}
	x.ask = (*visit).askAccess
	x.save = func(v *visit, e entry, w wayIn) (int64, ui.Key, error) {
		saved, err := v.console.Manage.Populations.SaveAccess(v.Request.Context(), v.actor, change(v, e.ID, w.access()))
		var wrong settings.Errors
		if errors.As(err, &wrong) && (wrong[0].Field == "password" || wrong[0].Field == "federated") {
			wrong[0].Field = "access" // one input for both
			err = wrong
		}
		return saved.Version, "console.done.access_changed", err
	}
	return x
}

func (v *visit) connectionRows(population string) ([]ui.ConnectionRow, error) {
	ctx := v.Request.Context()
	list, err := v.console.Manage.Connections.Connections(ctx, v.actor, population)
	if err != nil {
		return nil, err
	}
	rows := make([]ui.ConnectionRow, len(list))
	for i, c := range list {
		rows[i] = ui.ConnectionRow{
			Name: c.Name, URL: v.path(connectionPage(c)), Kind: farEnd(c.Connection),
			Trust: *trustLabel(c.Trust).With(), Enabled: c.Enabled, Lost: c.Lost, InsteadOf: c.InsteadOf,
		}
		if rows[i].People, _, err = v.console.Store.CountThrough(ctx, c.ID); err != nil {
			return nil, err
		}
		if rows[i].CertificateEnds, err = certificateEnds(c); err != nil {
			return nil, err
		}
		rows[i].EndsSoon = c.Certificate != "" && rows[i].CertificateEnds.Before(idp.Now().Add(endsSoon))
	}
	return rows, nil
}

// certificateEnds is when a connection's certificate ends, zero for none.
func certificateEnds(c connections.ConnectionEntry) (time.Time, error) {
	if c.Certificate == "" {
		return time.Time{}, nil
	}
	parsed, err := certificate.Parse(c.Certificate)
	if err != nil {
		return time.Time{}, err
	}
	return parsed.NotAfter, nil
}

// farEnd says in words what stands at the other end.
func farEnd(c idp.Connection) ui.Message {
	switch {
	case c.Kind == idp.OIDCConnection:
		return *ui.Key("console.connection.kind_oidc").With(c.Issuer)
	case c.AnyTenant:
		return *ui.Key("console.connection.kind_any").With()
	case len(c.Tenants) == 0:
		return *ui.Key("console.connection.kind_personal").With()
	case len(c.Tenants) == 1:
		return *ui.Key("console.connection.kind_one").With()
	}
	return *ui.Key("console.connection.kind_several").With(len(c.Tenants))
}

func trustLabel(t idp.Trust) ui.Key { return ui.Key("console.connection.trust." + t) }

// askAccess says whom a choice concerns.
func (v *visit) askAccess(e populations.PopulationEntry, wanted wayIn) (ui.ConsoleConfirm, error) {
	preview, err := v.console.Manage.Populations.PreviewAccess(v.Request.Context(), v.actor, e.ID)
	return ui.ConsoleConfirm{
		Heading: *ui.Key("console.access.heading").With(), Button: *ui.Key("console.access.submit").With(), Danger: !wanted.access().Password,
		Consequences: accessConsequences(e.Access, wanted.access(), preview),
		Figures: []ui.Figure{
			{Number: preview.People, Label: *ui.Key("console.access.figure_people").With(int(preview.People))},
			{Number: preview.NotLinked, Label: *ui.Key("console.access.figure_unlinked").With()},
		},
	}, err
}

// accessConsequences says in sentences what a choice means.
func accessConsequences(before, after idp.Access, p populations.AccessPreview) []ui.Message {
	if before == after {
		return []ui.Message{*ui.Key("console.access.same").With()}
	}
	list := []ui.Message{*map[string]ui.Key{
		byPassword: "console.access.to_password", byConnection: "console.access.to_federated", byBoth: "console.access.to_both",
	}[wayOf(after)].With()}
	if after.Federated && p.NotLinked > 0 {
		list = append(list, *ui.Key("console.access.first_time").With(int(p.NotLinked)))
	}
	switch {
	case before.Password && !after.Password:
		list = append(list, *ui.Key("console.access.passwords_end").With())
	case before.Federated && !after.Federated:
		list = append(list, *ui.Key("console.access.connections_end").With())
	default:
		list = append(list, *ui.Key("console.access.sessions_go_on").With())
	}
	if !after.Password {
		list = append(list, *ui.Key("console.access.break_glass").With())
	}
	return list
}
