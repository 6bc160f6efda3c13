package admin

import (
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
	"gatehouse/ui"
)

func connectionPage(c connections.ConnectionEntry) string {
	return "/authentication/" + c.PopulationID + "/connections/" + c.ID
}

// connectionTemplate is a kind of connection that can be added.
type connectionTemplate struct {
	id          string
	label, hint ui.Key
	start       idp.Connection
}

func connectionTemplates() []connectionTemplate {
	entra := idp.Connection{Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Trust: idp.Trusted}
	several, strangers, personal := entra, entra, entra
	strangers.AnyTenant, strangers.Trust = true, idp.LocalStep
	personal.PersonalAccounts, personal.Trust = true, idp.LocalStep
	other := idp.Connection{Kind: idp.OIDCConnection, Enabled: true, Trust: idp.LocalStep}
	return []connectionTemplate{
		{"entra", "console.connection.new_entra_one", "console.connection.new_entra_one_hint", entra},
		{"entra-several", "console.connection.new_entra_several", "console.connection.new_entra_several_hint", several},
		{"entra-any", "console.connection.new_entra_any", "console.connection.new_entra_any_hint", strangers},
		{"entra-personal", "console.connection.new_entra_personal", "console.connection.new_entra_personal_hint", personal},
		{"oidc", "console.connection.new_oidc", "console.connection.new_oidc_hint", other},
	}
}

// newConnection asks what stands at the other end.
func (v *visit) newConnection() error {
	p, err := v.populationFor("AddConnection")
	if err != nil {
		return err
	}
	frame, err := v.connectionFrame(p)
	if err != nil {
		return err
	}
	page := ui.ConsoleConnectionNew{Console: frame, PopulationName: v.populationName(p.Population)}
	for _, t := range connectionTemplates() {
		page.Templates = append(page.Templates, ui.AppTemplate{
			Label: *t.label.With(), Hint: *t.hint.With(), URL: v.path("/authentication/" + p.ID + "/connections/new/" + t.id),
		})
	}
	return v.render(http.StatusOK, page)
}

// connectionFrame is the frame of the pages of connections: back to the list.
func (v *visit) connectionFrame(p populations.PopulationEntry) (ui.Console, error) {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+p.ID)
	frame.Crumbs = append(v.crumbs(),
		ui.Link{Label: v.text("console.nav.authentication", populationLabel(p.Population)), URL: v.path("/authentication/" + p.ID)},
		ui.Link{Label: v.text("console.access.tab"), URL: v.path("/authentication/" + p.ID + "/access")})
	return frame, err
}

// templateNamed is the one of the address.
func (v *visit) templateNamed() (connectionTemplate, populations.PopulationEntry, error) {
	p, err := v.populationFor("AddConnection")
	if err != nil {
		return connectionTemplate{}, p, err
	}
	for _, t := range connectionTemplates() {
		if t.id == v.Param("template") {
			t.start.PopulationID = p.ID
			return t, p, nil
		}
	}
	return connectionTemplate{}, p, idp.ErrNotFound
}

// startedConnection is the one that the template of the URL begins.
func (v *visit) startedConnection() (c connecting, err error) {
	if c.template, c.population, err = v.templateNamed(); err != nil {
		return c, err
	}
	c.Connection = c.template.start
	c.OwnRedirect = true
	if c.ID = v.PostForm("id"); !identifier.MatchString(c.ID) {
		c.ID = idp.NewID()
	}
	return c, nil
}

// connectionNamed is the one of the address, of the population of the address.
func (v *visit) connectionNamed(op string) (connections.ConnectionEntry, populations.PopulationEntry, error) {
	p, err := v.populationFor(op)
	if err != nil {
		return connections.ConnectionEntry{}, p, err
	}
	id := v.Param("connection")
	if !identifier.MatchString(id) {
		return connections.ConnectionEntry{}, p, idp.ErrNotFound
	}
	c, err := v.console.Manage.Connections.Connection(v.Request.Context(), v.actor, id)
	if err == nil && c.PopulationID != p.ID {
		err = idp.ErrNotFound
	}
	return c, p, err
}

// connectionCertificate is the certificate as a file.
func (v *visit) connectionCertificate() error {
	c, _, err := v.connectionNamed("Connection")
	switch {
	case err != nil:
		return err
	case c.Certificate == "":
		return idp.ErrNotFound
	}
	v.Header("Content-Disposition", `attachment; filename="gatehouse.pem"`)
	v.Header("Cache-Control", "no-store")
	v.Data(http.StatusOK, "application/x-pem-file", []byte(c.Certificate))
	return nil
}

// deleteConnection is the question before a connection goes.
func deleteConnection() question[connecting] {
	at := func(c connecting) string { return connectionPage(c.ConnectionEntry) }
	return question[connecting]{
		load: func(v *visit) (c connecting, err error) {
			c.ConnectionEntry, c.population, err = v.connectionNamed("DeleteConnection")
			return c, err
		},
		at: func(c connecting) string { return at(c) + "/delete" }, home: at,
		version: func(c connecting) int64 { return c.Version },
		page: func(v *visit, c connecting) (page ui.ConsoleConfirm, err error) {
			if page.Console, err = v.connectionFrame(c.population); err != nil {
				return page, err
			}
			page.Heading, page.Button = *ui.Key("console.connection.delete_heading").With(c.Name), *ui.Key("console.connection.delete_button").With()
			page.Danger = true
			page.Consequences = says("console.connection.delete_people", "console.connection.delete_sessions", "console.action.final")
			people, sessions, err := v.console.Store.CountThrough(v.Request.Context(), c.ID)
			page.Figures = []ui.Figure{
				{Number: people, Label: *ui.Key("console.connection.figure_people").With(int(people))},
				{Number: sessions, Label: *ui.Key("console.connection.figure_sessions").With(int(sessions))},
			}
			return page, err
		},
		carry: func(v *visit, c connecting, reason string) (func() error, error) {
			err := v.console.Manage.Connections.DeleteConnection(v.Request.Context(), v.actor, c.ID, v.seenVersion(), reason)
			return v.saying("/authentication/"+c.population.ID+"/access", "console.done.connection_deleted"), err
		},
	}
}
