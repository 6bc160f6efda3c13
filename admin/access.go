package admin

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// endsSoon is how long before its end a certificate is pointed out.
const endsSoon = 30 * 24 * time.Hour

// connected is the population that the address names, for who may do an operation on
// its ways in.
func (v *visit) connected(op string) (manage.PopulationEntry, error) {
	if err := v.need(op); err != nil {
		return manage.PopulationEntry{}, err
	}
	id := v.Param("population")
	if !identifier.MatchString(id) {
		return manage.PopulationEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Population(v.Request.Context(), v.actor, id)
}

// access is the page of how people of a population sign in.
func (v *visit) access() error {
	p, err := v.connected("SaveAccess")
	if err != nil {
		return err
	}
	return v.renderAccess(http.StatusOK, p, p.Access, nil, nil)
}

// renderAccess shows the choice as it stands, or as somebody wants it.
func (v *visit) renderAccess(status int, p manage.PopulationEntry, wanted idp.Access, wrong, alert *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+p.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs, frame.Alert = v.crumbs(), v.tabs(p.Population, "access"), alert
	base := "/authentication/" + p.ID
	page := ui.ConsoleAccess{
		Console: frame, Action: v.path(base + "/access"), PopulationName: populationLabel(p.Population), Version: p.Version,
		Choices: v.accessChoices(wanted), ChoiceError: wrong,
	}
	if v.actor.May("AddConnection") {
		page.AddURL = v.path(base + "/connections/new")
	}
	if page.Connections, err = v.connectionRows(p.ID); err != nil {
		return err
	}
	return v.render(status, page)
}

// The values of the choice.
const (
	byPassword   = "password"
	byConnection = "federated"
	byBoth       = "both"
)

// accessValue is the choice that stands for a setting.
func accessValue(a idp.Access) string {
	switch {
	case a.Password && a.Federated:
		return byBoth
	case a.Federated:
		return byConnection
	}
	return byPassword
}

func (v *visit) accessChoices(now idp.Access) []ui.Choice {
	choice := func(value string, label, hint ui.Key) ui.Choice {
		return ui.Choice{Value: value, Label: v.text(label), Hint: v.text(hint), Chosen: accessValue(now) == value}
	}
	return []ui.Choice{
		choice(byPassword, "console.access.password", "console.access.password_hint"),
		choice(byConnection, "console.access.federated", "console.access.federated_hint"),
		choice(byBoth, "console.access.both", "console.access.both_hint"),
	}
}

func (v *visit) connectionRows(population string) ([]ui.ConnectionRow, error) {
	ctx := v.Request.Context()
	list, err := v.console.Manage.Connections(ctx, v.actor, population)
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
func certificateEnds(c manage.ConnectionEntry) (time.Time, error) {
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

func trustLabel(t idp.Trust) ui.Key {
	switch t {
	case idp.Trusted:
		return "console.connection.trusted"
	case idp.EvidenceRequired:
		return "console.connection.evidence"
	case idp.LocalStep:
	}
	return "console.connection.local"
}

// postedAccess is the choice of a form.
func (v *visit) postedAccess() (a idp.Access, ok bool) {
	choice := v.PostForm("access")
	a = idp.Access{Password: choice == byPassword || choice == byBoth, Federated: choice == byConnection || choice == byBoth}
	return a, a.Password || a.Federated
}

// postAccess shows what a choice would mean; nothing is saved yet.
func (v *visit) postAccess() error {
	p, err := v.connected("SaveAccess")
	if err != nil {
		return err
	}
	wanted, ok := v.postedAccess()
	switch {
	case !ok:
		return v.renderAccess(http.StatusUnprocessableEntity, p, p.Access, ui.Key("console.access.choose").With(), nil)
	case v.seenVersion() != p.Version:
		return v.renderAccess(http.StatusConflict, p, p.Access, nil, ui.Key("console.error.stale").With())
	case !v.fresh(): // better now than after the reason
		return v.askFresh("/authentication/" + p.ID + "/access")
	}
	return v.renderAccessChange(http.StatusOK, p, wanted, nil)
}

// renderAccessChange asks why, and says first whom it concerns.
func (v *visit) renderAccessChange(status int, p manage.PopulationEntry, wanted idp.Access, wrong *ui.Message) error {
	ctx, page := v.Request.Context(), "/authentication/"+p.ID+"/access"
	preview, err := v.console.Manage.PreviewAccess(ctx, v.actor, p.ID)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/authentication/"+p.ID)
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.crumbs(), ui.Link{Label: v.text("console.nav.authentication", populationLabel(p.Population)), URL: v.path(page)})
	frame.FormFields = []ui.Field{versionField(v.seenVersion()), {Name: "access", Value: accessValue(wanted)}}
	confirm := ui.ConsoleConfirm{
		Console: frame, Action: v.path(page + "/confirm"), CancelURL: v.path(page), Heading: *ui.Key("console.access.heading").With(),
		Button: *ui.Key("console.access.submit").With(), Danger: !wanted.Password, Reason: v.PostForm("reason"), ReasonError: wrong,
		Consequences: accessConsequences(p.Access, wanted, preview),
		Figures: []ui.Figure{
			{Number: preview.People, Label: *ui.Key("console.access.figure_people").With(int(preview.People))},
			{Number: preview.NotLinked, Label: *ui.Key("console.access.figure_unlinked").With()},
		},
	}
	return v.render(status, confirm)
}

// accessConsequences says in sentences what a choice means.
func accessConsequences(before, after idp.Access, p manage.AccessPreview) []ui.Message {
	if before == after {
		return []ui.Message{*ui.Key("console.access.same").With()}
	}
	list := []ui.Message{*map[string]ui.Key{
		byPassword: "console.access.to_password", byConnection: "console.access.to_federated", byBoth: "console.access.to_both",
	}[accessValue(after)].With()}
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

// postAccessChange saves the choice.
func (v *visit) postAccessChange() error {
	p, err := v.connected("SaveAccess")
	if err != nil {
		return err
	}
	wanted, _ := v.postedAccess() // none is refused
	page := "/authentication/" + p.ID + "/access"
	saved, err := v.console.Manage.SaveAccess(v.Request.Context(), v.actor, manage.AccessChange{
		Population: p.ID, Version: v.seenVersion(), Access: wanted, Reason: v.PostForm("reason"),
	})
	var field *manage.FieldError
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh(page)
	case errors.As(err, &field) && field.Field == "reason":
		return v.renderAccessChange(http.StatusUnprocessableEntity, p, wanted, v.reasonMessage(field))
	case errors.As(err, &field):
		return v.renderAccess(http.StatusUnprocessableEntity, p, wanted, fieldMessage(field), nil)
	case errors.Is(err, idp.ErrConflict):
		return v.renderAccess(http.StatusConflict, p, p.Access, nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	}
	return v.saved(page, v.seenVersion(), saved.Version, "console.done.access_changed")
}
