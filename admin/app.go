package admin

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// app is the one that the address names, for who may do an operation on it. The
// console's own client is none.
func (v *visit) app(op string) (apps.ClientEntry, error) {
	if err := v.authorize(op); err != nil {
		return apps.ClientEntry{}, err
	}
	id := v.Param("id")
	if idp.OwnClient(id) || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return apps.ClientEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Apps.Client(v.Request.Context(), v.actor, id)
}

// appFrame is the frame of an app's page.
func (v *visit) appFrame(c apps.ClientEntry, current string) (ui.Console, error) {
	frame, err := v.frame(v.Request.Context(), "/apps")
	frame.Crumbs = v.appCrumbs()
	tab := func(shown bool, label ui.Key, page string) {
		if shown {
			frame.Tabs = append(frame.Tabs, ui.NavItem{Label: v.text(label), URL: v.path("/apps/" + c.ID + page), Current: page == current})
		}
	}
	signsIn := c.Kind.SignsIn()
	tab(v.actor.CanDo("UpdateClient") && v.actor.CanChange(c.Client), "console.app.tab_settings", "")
	tab(true, "console.app.tab_connect", "/connect")
	tab(c.AuthMethod.Secret() && v.actor.CanDo("AddClientSecret") && v.actor.CanChange(c.Client), "console.app.tab_secrets", "/secrets")
	tab(signsIn && v.actor.CanDo("SaveOverride"), "console.app.tab_rule", "/mfa")
	tab(c.BackchannelLogoutURI != "" && v.actor.CanDo("Deliveries"), "console.app.tab_deliveries", "/deliveries")
	return frame, err
}

// seenVersion is the one of a form. A broken one is stale.
func (v *visit) seenVersion() int64 {
	n, _ := strconv.ParseInt(v.PostForm("version"), 10, 64)
	return n
}

// appConnect is everything that an app needs to be told, but for the secret.
func (v *visit) appConnect() error {
	c, err := v.app("Client")
	if err != nil {
		return err
	}
	return v.renderConnect(c, "")
}

func (v *visit) renderConnect(c apps.ClientEntry, secret string) error {
	frame, err := v.appFrame(c, "/connect")
	if err != nil {
		return err
	}
	party := v.party(c.Client)
	page := ui.ConsoleAppConnect{Console: frame, AppName: c.Name, Secret: secret, Settings: party.settings()}
	if page.Snippets, err = party.snippets(); err != nil {
		return err
	}
	if secret != "" {
		page.NextURL = v.path("/apps/" + c.ID + "/connect")
	}
	if len(c.RedirectURIs) > 0 && !c.RequirePushed { // a link pushes nothing
		page.TestURL, page.Redirect = v.testSignIn(c.Client), c.RedirectURIs[0]
	}
	return v.render(http.StatusOK, page)
}

// testSignIn is an authorization request as the app makes it. The verifier is thrown away,
// so the code that comes of it cannot be redeemed.
func (v *visit) testSignIn(c idp.Client) string {
	q := url.Values{
		"client_id": {c.ID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {c.RedirectURIs[0]},
		"state": {"gatehouse-test"}, "nonce": {idp.NewID()}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(idp.HashSecret(idp.NewSecret()))},
	}
	return v.console.Web.Path("/authorize?%s", q.Encode())
}

// appSecrets is the rotation of an app's secrets.
func (v *visit) appSecrets() error { return v.renderSecrets(http.StatusOK, nil) }

func (v *visit) renderSecrets(status int, alert *ui.Message) error {
	c, err := v.secretApp("AddClientSecret")
	if err != nil {
		return err
	}
	frame, err := v.appFrame(c, "/secrets")
	if err != nil {
		return err
	}
	frame.Alert = alert
	base := v.path("/apps/" + c.ID + "/secrets")
	page := ui.ConsoleAppSecrets{Console: frame, AppName: c.Name, Live: c.Secrets}
	for _, s := range c.SecretTimes {
		page.Secrets = append(page.Secrets, secretLine(s))
		if s.Ended(idp.Now()) {
			page.Live--
		}
	}
	if c.Secrets < 2 {
		page.AddURL = base + "/add"
	} else {
		page.RemoveURL = []string{base + "/remove/0", base + "/remove/1"}
	}
	return v.render(status, page)
}

// secretLine is what is known of a secret.
func secretLine(s apps.SecretTimes) []ui.Message {
	line := []ui.Message{*ui.Key("console.app.secret_made_unknown").With(), *ui.Key("console.app.secret_unused").With()}
	if !s.CreatedAt.IsZero() {
		line[0] = *ui.Key("console.app.secret_made").With(s.CreatedAt)
	}
	if !s.UsedAt.IsZero() {
		line[1] = *ui.Key("console.app.secret_used").With(s.UsedAt)
	}
	switch {
	case s.Ended(idp.Now()):
		line = append(line, *ui.Key("console.app.secret_ended").With(s.EndsAt))
	case !s.EndsAt.IsZero():
		line = append(line, *ui.Key("console.app.secret_ends").With(s.EndsAt))
	}
	return line
}

// secretApp is an app that keeps secrets.
func (v *visit) secretApp(op string) (apps.ClientEntry, error) {
	c, err := v.app(op)
	if err == nil && !c.AuthMethod.Secret() {
		err = idp.ErrNotFound
	}
	return c, err
}

// askSecret asks before a secret is made or removed.
func (v *visit) askSecret() error {
	op, heading, button := "AddClientSecret", ui.Key("console.app.secret_add"), ui.Key("console.app.secret_add")
	consequences := []ui.Message{*ui.Key("console.app.rotate_add_hint").With(), *ui.Key("console.app.secret_hint").With()}
	if v.Param("index") != "" {
		op, heading, button = "RemoveClientSecret", "console.app.secret_remove_old", "console.app.rotate_remove"
		consequences = []ui.Message{*ui.Key("console.app.rotate_remove_hint").With(), *ui.Key("console.app.remove_effect").With()}
		if v.Param("index") == "1" {
			heading = "console.app.secret_remove_new"
		}
	}
	c, err := v.secretApp(op)
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.proveAgain(v.backTo())
	}
	frame, err := v.frame(v.Request.Context(), "/apps")
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.appCrumbs(), ui.Link{Label: c.Name, URL: v.path("/apps/" + c.ID + "/secrets")})
	return v.render(http.StatusOK, ui.ConsoleAsk{
		Console: frame, Action: v.Request.URL.Path, CancelURL: v.path("/apps/" + c.ID + "/secrets"),
		Heading: *heading.With(), Consequences: consequences, Button: *button.With(), Danger: v.Param("index") != "", Version: c.Version,
	})
}

// postSecret makes another secret, and shows it this once.
func (v *visit) postSecret() error {
	c, err := v.secretApp("AddClientSecret")
	if err != nil {
		return err
	}
	secret, err := v.console.Manage.Apps.AddClientSecret(v.Request.Context(), v.actor, c.ID)
	switch {
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/secrets/add")
	case errors.Is(err, idp.ErrTwoSecrets), errors.Is(err, idp.ErrConflict):
		return v.renderSecrets(http.StatusConflict, ui.Key("console.app.two_secrets").With())
	case err != nil:
		return err
	}
	return v.renderConnect(c, secret)
}

// postRemoveSecret ends one of two secrets: of the app as the viewer saw it, so that no
// other one than was meant is removed.
func (v *visit) postRemoveSecret() error {
	c, err := v.secretApp("RemoveClientSecret")
	if err != nil {
		return err
	}
	index, err := strconv.Atoi(v.Param("index"))
	if err != nil {
		return idp.ErrNotFound
	}
	if v.seenVersion() != c.Version {
		return v.renderSecrets(http.StatusConflict, ui.Key("error.stale").With())
	}
	err = v.console.Manage.Apps.RemoveClientSecret(v.Request.Context(), v.actor, c.ID, index)
	switch {
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/secrets/remove/" + strconv.Itoa(index))
	case errors.Is(err, idp.ErrInvalid):
		return v.renderSecrets(http.StatusConflict, web.Said(web.Wrong(err)[0]))
	case errors.Is(err, idp.ErrConflict):
		return v.renderSecrets(http.StatusConflict, ui.Key("error.stale").With())
	case err != nil:
		return err
	}
	return v.done("/apps/"+c.ID+"/secrets", "console.done.secret_removed")
}

// deleteApp is the question before an app goes.
func deleteApp() question[apps.ClientEntry] {
	return question[apps.ClientEntry]{
		load: func(v *visit) (apps.ClientEntry, error) { return v.app("DeleteClient") },
		at:   func(c apps.ClientEntry) string { return "/apps/" + c.ID + "/delete" },
		home: func(c apps.ClientEntry) string { return "/apps/" + c.ID },
		page: func(v *visit, c apps.ClientEntry) (page ui.ConsoleConfirm, err error) {
			if page.Console, err = v.frame(v.Request.Context(), "/apps"); err != nil {
				return page, err
			}
			page.Crumbs = append(v.appCrumbs(), ui.Link{Label: c.Name, URL: v.path("/apps/" + c.ID)})
			page.Heading, page.Button, page.Danger = *ui.Key("console.app.delete_heading").With(c.Name), *ui.Key("console.app.delete").With(), true
			sessions, err := v.console.Store.SessionsAtClient(v.Request.Context(), c.ID, idp.Now())
			if c.Kind.SignsIn() {
				page.Consequences = append(page.Consequences, *ui.Key("console.app.delete_people").With(int(sessions)))
			}
			page.Consequences = append(page.Consequences, says("console.app.delete_tokens", "console.app.delete_final")...)
			return page, err
		},
		carry: func(v *visit, c apps.ClientEntry, reason string) (func() error, error) {
			err := v.console.Manage.Apps.DeleteClient(v.Request.Context(), v.actor, c.ID, 0, reason)
			var named *apps.NamedError
			if errors.As(err, &named) {
				return func() error {
					return appSettings().show(v, http.StatusConflict, c, ui.Key("settings.api.in_use").With(strings.Join(named.Apps, ", ")))
				}, nil
			}
			return v.saying("/apps", "console.done.app_deleted"), err
		},
	}
}

// appDeliveries is how far the logout tokens of an app are.
func (v *visit) appDeliveries() error { return v.renderDeliveries(http.StatusOK, nil) }

// postLogoutTest posts a logout token at once, and shows what the app answers.
func (v *visit) postLogoutTest() error {
	if err := v.authorize("TestLogout"); err != nil {
		return err
	}
	c, err := v.app("TestLogout")
	if err != nil {
		return err
	}
	err = v.console.Manage.System.TestLogout(v.Request.Context(), v.actor, c.ID)
	var unanswered *system.UnansweredError
	switch {
	case errors.As(err, &unanswered):
		return v.renderDeliveries(http.StatusUnprocessableEntity, ui.Key("console.app.logout_test_failed").With(unanswered.Error()))
	case errors.Is(err, system.ErrNoLogoutURI):
		return web.BadForm(err)
	case err != nil:
		return err
	}
	return v.done("/apps/"+c.ID+"/deliveries", "console.done.logout_tested")
}

func (v *visit) renderDeliveries(status int, failed *ui.Message) error {
	if err := v.authorize("Client"); err != nil {
		return err
	}
	c, err := v.app("Deliveries")
	if err != nil {
		return err
	}
	lanes, err := v.console.Manage.System.Deliveries(v.Request.Context(), v.actor)
	if err != nil {
		return err
	}
	frame, err := v.appFrame(c, "/deliveries")
	if err != nil {
		return err
	}
	frame.Alert = failed
	page := ui.ConsoleAppDeliveries{
		Console: frame, AppName: c.Name, To: c.BackchannelLogoutURI, RetryPath: v.pathFor("RetryDeliveries", "/system/retry"),
		TestPath: v.pathFor("TestLogout", "/apps/"+c.ID+"/deliveries/test"),
	}
	for _, l := range lanes {
		if l.Lane == c.ID {
			page.Lane = laneOf(l)
		}
	}
	return v.render(status, page)
}
