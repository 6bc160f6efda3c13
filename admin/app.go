package admin

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// app is the one that the address names, for who may do an operation on it. The
// console's own client is none.
func (v *visit) app(op string) (manage.ClientEntry, error) {
	if err := v.need(op); err != nil {
		return manage.ClientEntry{}, err
	}
	id := v.Param("id")
	if idp.OwnClient(id) || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return manage.ClientEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Client(v.Request.Context(), v.actor, id)
}

// appFrame is the frame of an app's page.
func (v *visit) appFrame(c manage.ClientEntry, current string) (ui.Console, error) {
	frame, err := v.frame(v.Request.Context(), "/apps")
	frame.Crumbs = v.appCrumbs()
	tab := func(shown bool, label ui.Key, page string) {
		if shown {
			frame.Tabs = append(frame.Tabs, ui.NavItem{Label: v.text(label), URL: v.path("/apps/" + c.ID + page), Current: page == current})
		}
	}
	signsIn := c.Kind != idp.ServiceClient
	tab(v.actor.May("UpdateClient") && v.actor.MayChange(c.Client), "console.app.tab_settings", "")
	tab(true, "console.app.tab_connect", "/connect")
	tab(c.Kind.Confidential() && v.actor.May("AddClientSecret") && v.actor.MayChange(c.Client), "console.app.tab_secrets", "/secrets")
	tab(signsIn && v.actor.May("SaveOverride"), "console.app.tab_rule", "/mfa")
	tab(c.BackchannelLogoutURI != "" && v.actor.May("Deliveries"), "console.app.tab_deliveries", "/deliveries")
	return frame, err
}

// appSettings is the page of an app. Who may change its MFA rule alone finds that.
func (v *visit) appSettings() error {
	if !v.actor.May("UpdateClient") && v.actor.May("SaveOverride") {
		return v.appRule()
	}
	c, err := v.app("UpdateClient")
	switch {
	case err != nil:
		return err
	case !v.actor.MayChange(c.Client): // who sees it sees how it is connected
		return v.renderConnect(c, "")
	}
	return v.renderApp(http.StatusOK, c, nil)
}

func (v *visit) renderApp(status int, c manage.ClientEntry, wrong error) error {
	page, err := v.appFields(c.Client, false)
	if err != nil {
		return err
	}
	frame, err := v.appFrame(c, "")
	if err != nil {
		return err
	}
	if errors.Is(wrong, idp.ErrConflict) {
		frame.Alert = ui.Key("console.error.stale").With()
	}
	page.Console, page.Action, page.Version = frame, v.path("/apps/"+c.ID), c.Version
	page.Heading, page.Submit = *ui.Key("console.error.field").With(c.Name), *ui.Key("console.save").With()
	if v.actor.May("DeleteClient") {
		page.DeleteURL = v.path("/apps/" + c.ID + "/delete")
	}
	page.Advanced = v.tokenSelects(c.Client)
	placeAppError(&page, wrong)
	return v.render(status, page)
}

// tokenSelects ask for the form of an app's tokens.
func (v *visit) tokenSelects(c idp.Client) []ui.Select {
	choice := func(value, label, now string) ui.Choice {
		return ui.Choice{Value: value, Label: label, Chosen: value == now}
	}
	format := ui.Select{Name: "token_format", Label: *ui.Key("console.app.token_format").With(), Choices: []ui.Choice{
		choice(string(idp.OpaqueToken), v.text("console.app.token_opaque"), string(c.TokenFormat)),
		choice(string(idp.JWTToken), v.text("console.app.token_jwt"), string(c.TokenFormat)),
	}}
	sign := ui.Select{Name: "signing_alg", Label: *ui.Key("console.app.signing_alg").With()}
	for _, a := range idp.Algorithms() {
		sign.Choices = append(sign.Choices, choice(string(a), string(a), string(c.SigningAlg)))
	}
	return []ui.Select{format, sign}
}

// postAppSettings changes an app.
func (v *visit) postAppSettings() error {
	now, err := v.app("UpdateClient")
	if err != nil {
		return err
	}
	wanted := now
	wanted.Version = v.seenVersion()
	v.ontoClient(&wanted.Client)
	wrong := v.missing(wanted.Client, false)
	var saved manage.ClientEntry
	if wrong == nil {
		saved, wrong = v.console.Manage.UpdateClient(v.Request.Context(), v.actor, wanted)
	}
	switch {
	case errors.Is(wrong, manage.ErrStepUp):
		return v.askFresh("/apps/" + now.ID)
	case errors.Is(wrong, idp.ErrConflict):
		return v.conflict(now.ID, wrong)
	case errors.Is(wrong, idp.ErrInvalid):
		return v.renderApp(http.StatusUnprocessableEntity, wanted, wrong)
	case wrong != nil:
		return wrong
	}
	return v.saved("/apps/"+now.ID, wanted.Version, saved.Version, "console.done.saved")
}

// conflict shows an app as it stands now, after somebody else has changed it.
func (v *visit) conflict(id string, wrong error) error {
	now, err := v.console.Manage.Client(v.Request.Context(), v.actor, id)
	if err != nil {
		return err
	}
	return v.renderApp(http.StatusConflict, now, wrong)
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

func (v *visit) renderConnect(c manage.ClientEntry, secret string) error {
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
	if len(c.RedirectURIs) > 0 {
		page.TestURL, page.Redirect = v.testSignIn(c.Client), c.RedirectURIs[0]
	}
	return v.render(http.StatusOK, page)
}

// testSignIn is an authorization request as the app makes it. Nobody knows the
// verifier, so the code that comes of it cannot be redeemed.
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
	if c.Secrets < 2 {
		page.AddURL = base + "/add"
	} else {
		page.RemoveURL = []string{base + "/remove/0", base + "/remove/1"}
	}
	return v.render(status, page)
}

// secretApp is an app that keeps secrets.
func (v *visit) secretApp(op string) (manage.ClientEntry, error) {
	c, err := v.app(op)
	if err == nil && !c.Kind.Confidential() {
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
	secret, err := v.console.Manage.AddClientSecret(v.Request.Context(), v.actor, c.ID)
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/secrets/add")
	case errors.Is(err, idp.ErrTwoSecrets), errors.Is(err, idp.ErrConflict):
		return v.renderSecrets(http.StatusConflict, ui.Key("console.app.two_secrets").With())
	case err != nil:
		return err
	}
	return v.renderConnect(c, secret)
}

// postRemoveSecret ends one of two secrets: of the app as the viewer saw it, so
// that nobody removes another one than was meant.
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
		return v.renderSecrets(http.StatusConflict, ui.Key("console.error.stale").With())
	}
	err = v.console.Manage.RemoveClientSecret(v.Request.Context(), v.actor, c.ID, index)
	var field *manage.FieldError
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/secrets/remove/" + strconv.Itoa(index))
	case errors.As(err, &field):
		return v.renderSecrets(http.StatusConflict, ui.Key("console.error.field").With(field.Reason))
	case errors.Is(err, idp.ErrConflict):
		return v.renderSecrets(http.StatusConflict, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	}
	return v.done("/apps/"+c.ID+"/secrets", "console.done.secret_removed")
}

// askDelete says what goes with an app.
func (v *visit) askDelete() error {
	c, err := v.app("DeleteClient")
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.proveAgain(v.backTo())
	}
	return v.renderDelete(http.StatusOK, c, nil)
}

func (v *visit) renderDelete(status int, c manage.ClientEntry, reason *ui.Message) error {
	ctx := v.Request.Context()
	sessions, err := v.console.Store.SessionsAtClient(ctx, c.ID, idp.Now())
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/apps")
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.appCrumbs(), ui.Link{Label: c.Name, URL: v.path("/apps/" + c.ID)})
	consequences := []ui.Message{*ui.Key("console.app.delete_tokens").With(), *ui.Key("console.app.delete_final").With()}
	if c.Kind != idp.ServiceClient {
		consequences = append([]ui.Message{*ui.Key("console.app.delete_people").With(int(sessions))}, consequences...)
	}
	return v.render(status, ui.ConsoleConfirm{
		Console: frame, Action: v.path("/apps/" + c.ID + "/delete"), CancelURL: v.path("/apps/" + c.ID),
		Heading: *ui.Key("console.app.delete_heading").With(c.Name), Consequences: consequences,
		Button: *ui.Key("console.app.delete").With(), Danger: true, Reason: v.PostForm("reason"), ReasonError: reason,
	})
}

// postDelete removes an app.
func (v *visit) postDelete() error {
	c, err := v.app("DeleteClient")
	if err != nil {
		return err
	}
	err = v.console.Manage.DeleteClient(v.Request.Context(), v.actor, c.ID, v.PostForm("reason"))
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/delete")
	case errors.Is(err, idp.ErrInvalid):
		return v.renderDelete(http.StatusUnprocessableEntity, c, ui.Key("console.error.reason").With())
	case err != nil:
		return err
	}
	return v.done("/apps", "console.done.app_deleted")
}

// appDeliveries is how far the logout tokens of an app are.
func (v *visit) appDeliveries() error {
	if err := v.need("Client"); err != nil {
		return err
	}
	c, err := v.app("Deliveries")
	if err != nil {
		return err
	}
	lanes, err := v.console.Manage.Deliveries(v.Request.Context(), v.actor)
	if err != nil {
		return err
	}
	frame, err := v.appFrame(c, "/deliveries")
	if err != nil {
		return err
	}
	page := ui.ConsoleAppDeliveries{Console: frame, AppName: c.Name, To: c.BackchannelLogoutURI, RetryPath: v.path("/system/retry")}
	for _, l := range lanes {
		if l.Lane == c.ID {
			page.Lane = laneOf(l)
		}
	}
	return v.render(http.StatusOK, page)
}

// appRule is an app's own MFA rule.
func (v *visit) appRule() error {
	c, err := v.ruledApp()
	if err != nil {
		return err
	}
	return v.renderRule(http.StatusOK, c, c.Override, nil, nil)
}

// ruledApp is an app that people sign in to.
func (v *visit) ruledApp() (manage.ClientEntry, error) {
	c, err := v.app("SaveOverride")
	if err == nil && c.Kind == idp.ServiceClient {
		err = idp.ErrNotFound
	}
	return c, err
}

func (v *visit) renderRule(status int, c manage.ClientEntry, o idp.Override, field *manage.FieldError, alert *ui.Message) error {
	frame, err := v.appFrame(c, "/mfa")
	if err != nil {
		return err
	}
	frame.Alert = alert
	page := ui.ConsoleAppRule{
		Console: frame, Action: v.path("/apps/" + c.ID + "/mfa"), AppName: c.Name, Version: c.Override.Version, Federated: o.Federated,
	}
	mode := func(m idp.OverrideMode, label, hint ui.Key) {
		chosen := o.Mode == m || o.Mode == "" && m == idp.OverrideInherit
		page.Modes = append(page.Modes, ui.Choice{Value: string(m), Label: v.text(label), Hint: v.text(hint), Chosen: chosen})
	}
	mode(idp.OverrideInherit, "console.app.mode_inherit", "console.app.mode_inherit_hint")
	mode(idp.OverrideRequired, "console.app.mode_required", "console.app.mode_required_hint")
	mode(idp.OverrideOff, "console.app.mode_off", "console.app.mode_off_hint")
	strong := o.MinACR.Rank() >= idp.ACRMFA.Rank()
	page.MinACR = []ui.Choice{
		{Value: "", Label: v.text("console.app.acr_any"), Chosen: !strong},
		{Value: string(idp.ACRMFA), Label: v.text("console.app.acr_mfa"), Chosen: strong},
	}
	if field != nil {
		text := ui.Key("console.error.field").With(field.Reason)
		switch field.Field {
		case "mode":
			page.ModeError = text
		case "min_acr":
			page.ACRError = text
		default:
			page.Alert = text
		}
	}
	names, err := v.populationNames()
	if err != nil {
		return err
	}
	for _, id := range c.Populations {
		page.Population = append(page.Population, ui.Link{Label: names[id], URL: v.path("/authentication/" + id + "/mfa")})
	}
	return v.render(status, page)
}

// postedRule is the rule of a form. What goes with required only is left out
// otherwise: without scripts a form sends it all the same.
func (v *visit) postedRule() idp.Override {
	o := idp.Override{Version: v.seenVersion(), Mode: idp.OverrideMode(v.PostForm("mode"))}
	if o.Mode == idp.OverrideRequired {
		o.MinACR, o.Federated = idp.ACR(v.PostForm("min_acr")), v.PostForm("federated") == "on"
	}
	return o
}

// postRule asks when a rule applies; nothing is saved yet.
func (v *visit) postRule() error {
	c, err := v.ruledApp()
	if err != nil {
		return err
	}
	wanted := v.postedRule()
	if wanted.Version != c.Override.Version {
		return v.renderRule(http.StatusConflict, c, c.Override, nil, ui.Key("console.error.stale").With())
	}
	if field := v.checkRule(wanted); field != nil {
		return v.renderRule(http.StatusUnprocessableEntity, c, wanted, field, nil)
	}
	return v.renderRuleApply(http.StatusOK, c, wanted, applyErrors{})
}

// checkRule refuses what no form of ours sends.
func (v *visit) checkRule(o idp.Override) *manage.FieldError {
	switch o.Mode {
	case idp.OverrideInherit, idp.OverrideOff, idp.OverrideRequired:
	default:
		return &manage.FieldError{Field: "mode", Reason: v.text("console.app.need_mode")}
	}
	if slices.Contains([]idp.ACR{"", idp.ACRTwoStep, idp.ACRMFA}, o.MinACR) {
		return nil
	}
	return &manage.FieldError{Field: "min_acr", Reason: v.text("console.app.need_acr")}
}

// renderRuleApply is the choice, with the numbers.
func (v *visit) renderRuleApply(status int, c manage.ClientEntry, wanted idp.Override, wrong applyErrors) error {
	ctx := v.Request.Context()
	if !v.fresh() {
		return v.askFresh("/apps/" + c.ID + "/mfa")
	}
	preview, err := v.console.Manage.PreviewOverride(ctx, v.actor, c.ID, wanted)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/apps")
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.appCrumbs(), ui.Link{Label: c.Name, URL: v.path("/apps/" + c.ID + "/mfa")})
	frame.FormFields = []ui.Field{
		{Name: "version", Value: strconv.FormatInt(wanted.Version, 10)},
		{Name: "mode", Value: string(wanted.Mode)},
		{Name: "min_acr", Value: string(wanted.MinACR)},
	}
	if wanted.Federated {
		frame.FormFields = append(frame.FormFields, ui.Field{Name: "federated", Value: "on"})
	}
	return v.render(status, ui.ConsoleApply{
		Console: frame, Action: v.path("/apps/" + c.ID + "/apply"), CancelURL: v.path("/apps/" + c.ID + "/mfa"),
		Changes: ruleChanges(c.Name, wanted), Figures: figuresOf(preview), Sessions: preview.Sessions,
		JWTMinutes: minutes(preview.JWTFor), ForApp: true, Reason: v.PostForm("reason"),
		ChoiceError: wrong.choice, ReasonError: wrong.reason,
	})
}

// ruleChanges says in sentences what a rule does.
func ruleChanges(name string, o idp.Override) []ui.Message {
	switch {
	case o.Mode == idp.OverrideOff:
		return []ui.Message{*ui.Key("console.apply.app_off").With(name)}
	case o.Mode != idp.OverrideRequired:
		return []ui.Message{*ui.Key("console.apply.app_inherit").With(name)}
	}
	list := []ui.Message{*ui.Key("console.apply.app_required").With(name)}
	if o.MinACR == idp.ACRMFA {
		list[0] = *ui.Key("console.apply.app_required_mfa").With(name)
	}
	if o.Federated {
		list = append(list, *ui.Key("console.app.change_federated").With())
	}
	return list
}

// postRuleApply saves a rule as it was chosen.
func (v *visit) postRuleApply() error {
	c, err := v.ruledApp()
	if err != nil {
		return err
	}
	wanted, apply := v.postedRule(), manage.Apply(v.PostForm("apply"))
	if field := v.checkRule(wanted); field != nil {
		return v.renderRule(http.StatusUnprocessableEntity, c, c.Override, field, nil)
	}
	saved, err := v.console.Manage.SaveOverride(v.Request.Context(), v.actor, manage.OverrideChange{
		ClientID: c.ID, Override: wanted, Apply: apply, Reason: v.PostForm("reason"),
	})
	var field *manage.FieldError
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/apps/" + c.ID + "/mfa")
	case errors.As(err, &field):
		return v.renderRuleApply(http.StatusUnprocessableEntity, c, wanted, applyProblem(field))
	case errors.Is(err, idp.ErrConflict):
		return v.renderRule(http.StatusConflict, c, c.Override, nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	case apply == manage.Immediately:
		return v.saved("/apps/"+c.ID+"/mfa", wanted.Version, saved.Version, "console.done.rule_now")
	}
	return v.saved("/apps/"+c.ID+"/mfa", wanted.Version, saved.Version, "console.done.applied_later")
}
